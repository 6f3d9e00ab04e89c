"""How the report's pages look and move; both stand inside every page, so that it needs nothing else."""

STYLE = """
:root { --ink: #1d2330; --soft: #667085; --line: #e4e7ec; --paper: #fff; --tint: #eef6f1; --good: #0a7a4b;
  --truth: #98a2b3; --made: #d1495b; --link: #2456b8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 40px 24px 64px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
h1 { font-size: 26px; font-weight: 650; letter-spacing: -.01em; margin: 0 0 4px; }
h2 { font-size: 17px; font-weight: 600; margin: 40px 0 10px; }
p { margin: 4px 0 12px; } .soft, nav { color: var(--soft); } nav { display: flex; gap: 20px; margin-bottom: 20px; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 8px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-size: 13px; font-weight: 500; vertical-align: bottom; border-bottom-color: #cfd4dc; }
th small { display: block; font-weight: 400; min-height: 1.5em; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody tr:hover td { background: #fafbfc; }
td small { display: block; color: var(--soft); font-size: 10.5px; font-weight: 400; letter-spacing: -.02em; }
td.best { font-weight: 650; color: var(--good); background: var(--tint) !important; }
tr.baseline td { color: var(--soft); font-style: italic; }
tbody + tbody tr:first-child td { border-top: 2px solid #d0d5dd; }
.missing { color: #c3c9d2; }
.note { border-left: 3px solid #f0b429; background: #fffaf0; padding: 6px 12px; margin: 6px 0; }
.signature { font: 12px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; color: var(--soft);
  overflow-wrap: anywhere; }
.strip { display: grid; grid-template-columns: repeat(3, 1fr); color: var(--soft); font-size: 13px; }
video { cursor: pointer; } video, figure img { display: block; width: 100%; background: #f4f5f7; border-radius: 6px; }
.controls { display: flex; gap: 8px; align-items: center; margin: 10px 0; }
button { font: inherit; color: inherit; background: #fff; border: 1px solid #cfd4dc; border-radius: 6px;
  padding: 4px 12px; cursor: pointer; } button:hover { background: #f4f5f7; }
#clock { color: var(--soft); margin-left: auto; font-variant-numeric: tabular-nums; }
.chart { display: block; width: 100%; height: auto; cursor: crosshair; }
.chart text { font-size: 11px; fill: var(--soft); } .rule { stroke: var(--line); }
.curve { fill: none; stroke: var(--made); stroke-width: 1.6; stroke-linejoin: round; }
.curve.truth { stroke: var(--truth); } .playhead { stroke: var(--ink); stroke-width: 1; }
.key { font-size: 13px; color: var(--soft); margin-left: 12px; font-weight: 400; }
.key::before { content: ""; display: inline-block; width: 16px; height: 3px; border-radius: 2px; margin-right: 6px;
  vertical-align: middle; background: var(--made); } .key.truth::before { background: var(--truth); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); gap: 20px; }
figure { margin: 0; } figure[data-time] { cursor: pointer; }
figcaption { font-size: 13px; color: var(--soft); padding-top: 4px; } figcaption b { color: var(--ink); }
"""

SCRIPT = """
const video = document.querySelector("video"), clock = document.querySelector("#clock");
const times = JSON.parse(document.querySelector("#times").textContent), charts = document.querySelectorAll(".chart");
// The frame on screen is the last one that has begun; half a millisecond forgives rounding.
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
video.controls = false;  // they lie over the chins; the charts are the time bar
for (const event of ["loadedmetadata", "seeked"]) video.addEventListener(event, show);
video.addEventListener("play", () => { play.textContent = "Pause"; tick(); });
video.addEventListener("pause", () => { play.textContent = "Play"; });
video.onclick = play.onclick = toggle;
const step = by => { video.pause(); seek(frame() + by); };
document.querySelector("#back").onclick = () => step(-1);
document.querySelector("#on").onclick = () => step(1);
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
"""
