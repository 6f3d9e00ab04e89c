"use strict";
// What a rater has answered. It is kept in the browser's storage, so that a closed tab loses nothing.

class Session {
  constructor(rater) {
    this.rater = rater;
    this.order = STUDY.sessions[rater];
    this.state = {started: null, finished: null, answers: {}, left: []};
    this.isKept = true;
    this.load();
  }

  get key() { return `dd-study ${STUDY.id} ${this.rater}`; }

  // The first item that has no answer yet, null at the end.
  get next() {
    return this.order.find(item => !Object.hasOwn(this.state.answers, item) && !this.state.left.includes(item)) ?? null;
  }

  get done() { return this.next === null ? this.order.length : this.order.indexOf(this.next); }

  // Another tab may have answered meanwhile. What was stored first counts.
  load() {
    const stored = this.stored();
    if (!stored) return;
    this.state = {
      started: stored.started ?? this.state.started,
      finished: stored.finished ?? this.state.finished,
      answers: {...this.state.answers, ...stored.answers},
      left: [...new Set([...this.state.left, ...stored.left])],
    };
  }

  stored() {
    try {
      const value = JSON.parse(localStorage.getItem(this.key));
      return value && typeof value.answers === "object" && Array.isArray(value.left) ? value : null;
    } catch (error) {
      this.isKept = this.isKept && error instanceof SyntaxError;
      return null;
    }
  }

  change(apply) {
    this.load();
    apply(this.state);
    if (this.next === null) this.state.finished ??= now();
    try {
      localStorage.setItem(this.key, JSON.stringify(this.state));
    } catch {
      this.isKept = false;
    }
  }

  start() { this.change(state => { state.started ??= now(); }); }

  answer(item, values) {
    this.change(state => { if (!Object.hasOwn(state.answers, item)) state.answers[item] = values; });
  }

  leaveOut(item) { this.change(state => { if (!state.left.includes(item)) state.left.push(item); }); }

  get answers() {
    const {answers} = this.state;
    return this.order.filter(item => Object.hasOwn(answers, item)).map(item => ({item, ...answers[item]}));
  }

  get json() {
    const {started, finished} = this.state, answers = this.answers;
    const lines = answers.map(one => `${one.item} ${one.answer} ${one.plays} ${one.milliseconds}`);
    const checksum = crc32([STUDY.id, this.rater, started, finished, ...lines].join("\n"));
    const result = {format: "dd-study result", version: 1, study: STUDY.id, rater: this.rater};
    return JSON.stringify({...result, started, finished, answers, checksum}, null, 1) + "\n";
  }

  get csv() {
    const rows = this.answers.map(one => [
      STUDY.id, this.rater, this.order.indexOf(one.item) + 1, one.item, one.answer, one.plays, one.milliseconds]);
    return [["study", "rater", "position", "item", "answer", "plays", "milliseconds"], ...rows].join("\n") + "\n";
  }

  fileName(suffix) { return `${STUDY.id}-rater-${this.rater}.${suffix}`; }
}

// UTC without fractions of a second.
const now = () => new Date().toISOString().replace(/\.\d+/, "");

// CRC-32 as in zlib, 8 hexadecimal digits. It finds files that were damaged or edited by mistake.
function crc32(text) {
  let crc = ~0;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc >>> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return (~crc >>> 0).toString(16).padStart(8, "0");
}
