const video = document.querySelector("video"), clock = document.querySelector("#clock");
const times = JSON.parse(document.querySelector("#times").textContent), charts = document.querySelectorAll(".chart");
// The visible frame is the last one that has started; half a millisecond allows for rounding.
const frame = () => Math.max(0, times.findLastIndex(time => time <= video.currentTime + 0.0005));
const show = () => {
  const number = frame();
  clock.textContent = `frame ${number + 1} of ${times.length} · ${times[number].toFixed(2)} s`;
  for (const chart of charts) {
    const {start, end, left, right} = chart.dataset, share = (times[number] - start) / (end - start);
    const x = +left + Math.min(1, Math.max(0, share)) * (right - left), line = chart.querySelector(".playhead");
    line.setAttribute("x1", x); line.setAttribute("x2", x);
  }
};
const seek = number => { video.currentTime = times[Math.min(times.length - 1, Math.max(0, number))] + 0.001; };
const tick = () => { show(); if (!video.paused) requestAnimationFrame(tick); };
const play = document.querySelector("#play"), toggle = () => video.paused ? video.play() : video.pause();
video.controls = false;  // they would cover the chins; the charts serve as seek bars
for (const event of ["loadedmetadata", "seeked"]) video.addEventListener(event, show);
video.addEventListener("play", () => { play.textContent = "Pause"; tick(); });
video.addEventListener("pause", () => { play.textContent = "Play"; });
video.onclick = play.onclick = toggle;
const step = by => { video.pause(); seek(frame() + by); };
document.querySelector("#back").onclick = () => step(-1);
document.querySelector("#forward").onclick = () => step(1);
document.querySelector("#slow").onclick = event => {
  video.playbackRate = video.playbackRate === 1 ? 0.25 : 1;
  event.target.textContent = video.playbackRate === 1 ? "Quarter speed" : "Full speed";
};
for (const chart of charts) chart.onclick = event => {
  const {start, end, left, right} = chart.dataset, box = chart.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width * chart.viewBox.baseVal.width;
  video.currentTime = +start + Math.min(1, Math.max(0, (x - left) / (right - left))) * (end - start) + 0.001;
};
for (const figure of document.querySelectorAll("figure[data-time]")) figure.onclick = () => {
  video.pause(); video.currentTime = +figure.dataset.time + 0.001; video.scrollIntoView({behavior: "smooth"});
};
if (video.readyState) show();
