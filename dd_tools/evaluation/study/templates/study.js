"use strict";
// The screens of the study, from the rater's number to the files with the answers.

const byId = id => document.getElementById(id);
const SCREENS = ["start", "guide", "part", "item", "end"];
const WATCH = "Watch to the end.";
const CHOOSE = STUDY.mode === "rating" ? "Choose from 1 to 5, then confirm." : "Choose left or right, then confirm.";
// In pixels, as in style.css: between videos, beside the page, and the height of all but the video.
const GAP = 16, MARGIN = 24, USUAL_WIDTH = 760, ROOM_BELOW = 320;

let session = null, screen = "start", item = null, part = null;
let plays = 0, firstEnd = null, chosen = null;  // of the current item

const player = new Player(byId("stage"), {
  ended() { plays += 1; firstEnd ??= performance.now(); update(CHOOSE); },
  blocked() { update("Press space to play."); },
  interrupted() { update("The video was interrupted. Press space to play it from the beginning."); },
  failed(file) {
    byId("trouble-text").textContent = `This browser cannot play the file ${file}.`;
    showTrouble(true);
    byId("retry").focus();
  },
  sized: checkSize,
});

function show(name) {
  screen = name;
  for (const one of SCREENS) byId(one).hidden = one !== name;
  byId("unkept").hidden = session === null || session.isKept;
  scrollTo(0, 0);
  const heading = byId(name).querySelector("h1, h2");
  heading.focus({preventScroll: true});
}

// The start: whose session it is, and how far it is.

function rater() {
  const number = byId("rater").value.trim().replace(/^0+(?=.)/, "");
  return Object.hasOwn(STUDY.sessions, number) ? number : null;
}

function describeRater() {
  const number = rater(), {next, done, order} = number === null ? {} : new Session(number);
  const isEmpty = byId("rater").value.trim() === "";
  byId("known").textContent = isEmpty ? ""
    : number === null ? `There is no rater of this number; it is ${byId("rater").placeholder}.`
    : next === null ? "This rater has finished; the files can be saved again."
    : done > 0 ? `This rater has answered ${done} of ${order.length}, and goes on there.` : "";
}

function enter(event) {
  event.preventDefault();
  describeRater();
  if (rater() === null) return byId("rater").focus();
  session = new Session(rater());
  if (session.next === null) return finish();
  session.start();
  show("guide");
}

// The items, each after the title of its part if that is new.

function proceed() {
  item = session.next;
  if (item === null) return finish();
  const {scenario} = STUDY.items[item];
  if (scenario === part) return showItem();
  part = scenario;
  const parts = [...new Set(session.order.map(name => STUDY.items[name].scenario))];
  byId("part-number").textContent = `Part ${parts.indexOf(part) + 1} of ${parts.length}`;
  byId("part-title").textContent = STUDY.scenarios[part].title;
  byId("part-question").textContent = STUDY.scenarios[part].question;
  byId("part-training").hidden = !STUDY.items[item].training;
  player.prepare(item);
  show("part");
}

function showItem() {
  const {scenario, training} = STUDY.items[item], place = session.order.indexOf(item);
  plays = 0; firstEnd = null; chosen = null;
  byId("title").textContent = STUDY.scenarios[scenario].title;
  byId("question").textContent = STUDY.scenarios[scenario].question;
  byId("practice").hidden = !training;
  byId("count").textContent = `${place + 1} of ${session.order.length}`;
  Object.assign(byId("progress"), {max: session.order.length, value: place});
  showTrouble(false);
  show("item");
  player.show(item, session.order[place + 1] ?? null);
  if (player.isPlaying) update(WATCH);
}

function showTrouble(isThere) {
  byId("trouble").hidden = !isThere;
  for (const one of ["stage", "question", "answers", "buttons"]) byId(one).hidden = isThere;
}

function update(hint) {
  byId("hint").textContent = hint;
  const isOpen = firstEnd !== null;
  for (const button of byId("answers").children) {
    const isChosen = +button.value === chosen;
    button.disabled = !isOpen;
    button.setAttribute("aria-checked", isChosen);
    button.tabIndex = isChosen || chosen === null ? 0 : -1;
  }
  byId("again").disabled = player.isPlaying;
  byId("confirm").disabled = chosen === null;
}

function choose(answer) {
  if (firstEnd === null) return;
  chosen = answer;
  update(CHOOSE);
}

function move(by) {
  const answers = STUDY.answers.map(([answer]) => answer), last = answers.length - 1;
  if (STUDY.mode !== "rating") return choose(answers[by < 0 ? 0 : last]);
  const place = chosen === null ? last / 2 : answers.indexOf(chosen) + by;
  choose(answers[Math.max(0, Math.min(last, place))]);
}

function confirm() {
  if (chosen === null) return;
  const milliseconds = Math.round(performance.now() - firstEnd);
  session.answer(item, {answer: chosen, plays, milliseconds});
  proceed();
}

function again() {
  if (player.isPlaying || !byId("trouble").hidden) return;
  player.play();
  if (player.isPlaying) update(firstEnd === null ? WATCH : CHOOSE);
}

function retry() { player.forget(item); showItem(); }

function leaveOut() { session.leaveOut(item); proceed(); }

// Videos have their own size, as a scaled mouth looks different.
function checkSize() {
  const width = player.videos.reduce((sum, video) => sum + video.videoWidth, GAP * (player.videos.length + 1));
  const height = Math.max(...player.videos.map(video => video.videoHeight)) + ROOM_BELOW;
  const isSmall = width + 2 * MARGIN > innerWidth || height > innerHeight;
  byId("item").style.maxWidth = `${Math.max(width, USUAL_WIDTH)}px`;
  byId("small").hidden = !isSmall;
  if (isSmall) byId("small").textContent = `The window is too small for the video: it has ${innerWidth} × ${innerHeight} `
    + `pixels and needs ${width + 2 * MARGIN} × ${height}. Enlarge it (F11 fills the screen), or zoom out with Ctrl and −.`;
}

// The end: files to hand in.

function finish() {
  player.stop();
  const {left} = session.state;
  byId("json").querySelector(".file").textContent = session.fileName("json");
  byId("csv").querySelector(".file").textContent = session.fileName("csv");
  byId("left-out").hidden = left.length === 0;
  byId("left-out").textContent = `Left out because they did not play: ${left.length}.`;
  show("end");
  byId("json").focus();
}

function save(suffix, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([session[suffix]], {type}));
  link.download = session.fileName(suffix);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// Keys. What the focused element does itself on the first and the last screen stays.

const ITEM_KEYS = {
  ArrowLeft: () => move(-1), ArrowDown: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => move(1),
  " ": again, Enter: confirm,
};
const TROUBLE_KEYS = {r: retry, s: leaveOut};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || screen === "start" || screen === "end") return;
  const answer = STUDY.answers.find(([number]) => event.key === String(number));
  const isTrouble = !byId("trouble").hidden;
  const action = screen !== "item" ? {Enter: proceedFrom}[event.key]
    : isTrouble ? TROUBLE_KEYS[event.key.toLowerCase()]
    : answer ? () => choose(answer[0]) : ITEM_KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  if (!event.repeat) action();
}

function proceedFrom() { if (screen === "part") showItem(); else proceed(); }

function addAnswers() {
  for (const [answer, label] of STUDY.answers) {
    const button = document.createElement("button"), number = document.createElement("b");
    number.textContent = STUDY.mode === "rating" ? answer : {1: "← Left", 2: "Right →"}[answer];
    button.append(number, STUDY.mode === "rating" ? label : "");
    button.value = answer;
    button.setAttribute("role", "radio");
    button.onclick = () => choose(answer);
    byId("answers").append(button);
    if (byId("scale")) byId("scale").insertRow(0).append(cell(answer), cell(label));
  }
  byId("answers").dataset.mode = STUDY.mode;
}

function cell(text) {
  const one = document.createElement("td");
  one.textContent = text;
  return one;
}

function begin() {
  const [, number] = location.hash.match(/^#rater=(\d+)$/) ?? [];
  if (number) byId("rater").value = number;
  describeRater();
  show("start");
  (number ? byId("enter").querySelector("button") : byId("rater")).focus();
}

addAnswers();
byId("enter").onsubmit = enter;
byId("rater").oninput = describeRater;
for (const button of document.querySelectorAll("[data-next]")) button.onclick = proceedFrom;
byId("again").onclick = again;
byId("confirm").onclick = confirm;
byId("retry").onclick = retry;
byId("skip").onclick = leaveOut;
byId("json").onclick = () => save("json", "application/json");
byId("csv").onclick = () => save("csv", "text/csv");
document.addEventListener("keydown", press);
document.addEventListener("keyup", event => { if (screen === "item" && event.key === " ") event.preventDefault(); });
addEventListener("resize", () => { if (screen === "item") checkSize(); });
addEventListener("hashchange", () => location.reload());
// Another tab with the same rater has answered: go on where it is.
addEventListener("storage", event => {
  if (session === null || event.key !== session.key) return;
  session.load();
  if (screen === "item" && item !== session.next && session.next !== null) proceed();
  if (screen !== "start" && screen !== "end" && session.next === null) finish();
});
begin();
