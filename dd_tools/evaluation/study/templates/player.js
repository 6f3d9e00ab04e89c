"use strict";
// Plays the one or two videos of an item, from the beginning to the end, without controls.

const PATIENCE = 15000;  // milliseconds without progress after which a video counts as broken
const WATCHED = 0.9;  // share of a video that must have been played
const FAR = 0.25;  // seconds between two videos at which one jumps; below, its speed is adapted
const ADAPTATION = 4, MAX_ADAPTATION = 0.2;  // of the speed: per second of distance, and at most

class Player {
  // on: the functions ended(), blocked() if the browser wants a key first, interrupted(), failed(file), sized().
  constructor(stage, on) {
    this.stage = stage;
    this.on = on;
    this.ready = new Map();  // item to its video elements
    this.videos = [];
    this.isPlaying = false;
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.interrupt(); });
    setInterval(() => this.watch(), 500);
  }

  prepare(item) {
    if (item !== null && !this.ready.has(item)) this.ready.set(item, STUDY.items[item].videos.map(element));
  }

  show(item, following) {
    this.stop();
    this.prepare(item);
    this.videos = this.ready.get(item);
    this.stage.replaceChildren(...this.videos);
    for (const video of this.videos) {
      video.onloadedmetadata = video.oncanplay = () => this.on.sized();
      video.onended = () => this.end();
      video.onerror = () => this.fail(video);
      video.onratechange = () => { if (!video.muted && video.playbackRate !== 1) video.playbackRate = 1; };
    }
    for (const other of this.ready.keys()) if (other !== item && other !== following) this.ready.delete(other);
    this.on.sized();
    this.play();
    this.prepare(following);
  }

  // Forget the elements, so that the next showing loads the files anew.
  forget(item) { this.ready.delete(item); }

  async play() {
    if (this.isPlaying) return;
    if (document.hidden) return this.on.interrupted();
    this.isPlaying = true;
    this.progress = {time: performance.now(), at: -1};
    const videos = this.videos;
    const broken = videos.find(video => video.error);
    if (broken) return this.fail(broken);
    for (const video of videos) if (video.currentTime > 0) video.currentTime = 0;
    await Promise.all(videos.map(loaded));
    if (videos !== this.videos || !this.isPlaying) return;
    try {
      await Promise.all(videos.map(video => video.play()));
      if (videos.length > 1) this.keepInStep(...videos);
    } catch (error) {
      if (videos !== this.videos || !this.isPlaying) return;
      if (error.name === "NotAllowedError") { this.stop(); this.on.blocked(); }
      else if (error.name !== "AbortError") this.fail(videos.find(video => video.error) ?? videos[0]);
    }
  }

  stop() {
    this.isPlaying = false;
    for (const video of this.videos) video.pause();
  }

  interrupt() {
    if (!this.isPlaying) return;
    this.stop();
    this.on.interrupted();
  }

  end() {
    if (!this.isPlaying || !this.videos.every(video => video.ended)) return;
    this.isPlaying = false;
    if (this.videos.every(video => played(video) >= WATCHED * video.duration)) this.on.ended();
    else this.on.interrupted();
  }

  fail(video) {
    this.stop();
    this.on.failed(video.getAttribute("src"));
  }

  // A video that neither plays nor reports an error must not leave the rater waiting.
  watch() {
    if (!this.isPlaying) return;
    const at = this.videos.reduce((sum, video) => sum + video.currentTime, 0), time = performance.now();
    if (at !== this.progress.at) this.progress = {time, at};
    else if (time - this.progress.time > PATIENCE) this.fail(this.videos.find(video => !video.ended));
  }

  // The second video is silent, so that its speed can follow the first one.
  keepInStep(leader, follower) {
    if (this.videos[0] !== leader || !this.isPlaying) return;
    const ahead = follower.currentTime - leader.currentTime;
    if (leader.ended || follower.ended || Math.abs(ahead) < STUDY.frame / 8) follower.playbackRate = 1;
    else if (Math.abs(ahead) > FAR) follower.currentTime = leader.currentTime;
    else follower.playbackRate = 1 - Math.max(-MAX_ADAPTATION, Math.min(MAX_ADAPTATION, ADAPTATION * ahead));
    requestAnimationFrame(() => this.keepInStep(leader, follower));
  }
}

function element(file, number) {
  const video = document.createElement("video");
  Object.assign(video, {preload: "auto", playsInline: true, disablePictureInPicture: true, muted: number > 0, src: file});
  video.disableRemotePlayback = true;
  video.oncontextmenu = event => event.preventDefault();  // it offers to seek
  return video;
}

const loaded = video => new Promise(resolve => {
  const check = () => { if (video.readyState >= 3 || video.error) resolve(); };
  for (const event of ["canplay", "seeked", "error"]) video.addEventListener(event, check);
  check();
});

function played(video) {
  let seconds = 0;
  for (let range = 0; range < video.played.length; range++) seconds += video.played.end(range) - video.played.start(range);
  return seconds;
}
