// One channel of a device over time. A point is one reading, or many: then the line is their mean and the band their least and greatest. The range is asked
// for in parts, the newest first, each bounded; dragging asks again for that stretch, finer.
import uPlot from "./uPlot.js";

const pointsAim = 600, rawFrames = 2_000, step = 8;

export function start() {
  const box = document.querySelector(".plot");
  const place = document.getElementById("plot"), channel = document.getElementById("channel"), reach = document.getElementById("reach");
  const [wider, closer, newest] = ["wider", "closer", "newest"].map((id) => document.getElementById(id));
  const first = Number(box.dataset.first), end = Number(box.dataset.last) + 1;
  let from = 0, before = end, every = 1, points = [], unit = "", name = "", plot = null, asked = 0;

  const draw = () => {
    plot?.destroy();
    // light-dark() is resolved by an element's own style, not in the variable.
    const text = getComputedStyle(document.body).color, line = getComputedStyle(document.querySelector("a")).color;
    const axis = { stroke: text, grid: { stroke: text, width: 0.15 }, ticks: { stroke: text, width: 0.3 } };
    const edge = { stroke: line, width: 0.5, points: { show: false } };
    const shown = [...points].sort((a, b) => a.ms - b.ms); // a device's clock may step back: a plot wants rising times
    const series = [{ value: (_, s) => s == null ? "" : new Date(s * 1000).toLocaleString() }, { label: every > 1 ? `${name}, mean` : name, stroke: line, width: 2, points: { show: shown.length < 200 } }];
    const data = [shown.map((p) => p.ms / 1000), shown.map((p) => p.mean)];
    if (every > 1) {
      series.push({ label: "greatest", ...edge }, { label: "least", ...edge });
      data.push(shown.map((p) => p.max), shown.map((p) => p.min));
    }
    plot = new uPlot({
      width: place.clientWidth, height: 280, cursor: { drag: { x: true, y: false, setScale: false } }, scales: { x: { time: true } }, series,
      axes: [axis, { ...axis, label: unit, size: 64 }],
      bands: every > 1 ? [{ series: [2, 3], fill: line.replace("rgb(", "rgba(").replace(")", ", 0.2)") }] : [],
      hooks: { setSelect: [(u) => { if (u.select.width > 0) zoom(u.posToVal(u.select.left, "x") * 1000, u.posToVal(u.select.left + u.select.width, "x") * 1000); }] },
    }, data, place);
    const last = points.at(-1);
    place.setAttribute("aria-label", last ? `${name}: ${points.length} points, newest ${last.mean} ${unit}; the table below has the newest values` : `${name}: no value`);
    place.dataset.points = points.length;
    place.dataset.readings = points.reduce((sum, p) => sum + p.count, 0);
    wider.disabled = from <= first && before === end;
    closer.disabled = before - from <= 16;
  };
  const zoom = (low, high) => {
    const inside = points.filter((p) => p.ms >= low && p.ms <= high).map((p) => p.sequence);
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    if (inside.length) read(Math.min(...inside), Math.min(Math.max(...inside) + every, before));
  };
  const read = async (low, high) => {
    const mine = ++asked; // another question makes this one void
    [from, before] = [Math.max(low, first), high];
    every = before - from <= rawFrames ? 1 : Math.ceil((before - from) / pointsAim);
    points = [];
    place.removeAttribute("data-whole");
    for (let next = before; next !== null;) {
      reach.textContent = `Reading sequences ${from} to ${next - 1}…`;
      const answer = await fetch(`/api/devices/${box.dataset.deviceId}/series?channel=${channel.value}&from=${from}&before=${next}&every=${every}`);
      if (mine !== asked) return;
      if (!answer.ok) { reach.textContent = `The readings could not be read (${answer.status}). Reload the page.`; return; }
      const page = await answer.json();
      if (mine !== asked) return;
      const part = page.timesMs.map((ms, i) => ({ ms, min: page.min[i], mean: page.mean[i], max: page.max[i], count: page.count[i], sequence: page.sequences[i] }));
      const a = part.at(-1), b = points[0];
      if (every > 1 && a && b && Math.floor(a.sequence / every) === Math.floor(b.sequence / every)) { // one point in two parts
        const count = a.count + b.count, mean = (x, y) => x + (y - x) * b.count / count;
        points[0] = { ms: mean(a.ms, b.ms), min: Math.min(a.min, b.min), mean: mean(a.mean, b.mean), max: Math.max(a.max, b.max), count, sequence: a.sequence };
        part.pop();
      }
      points = part.concat(points);
      [next, unit, name] = [page.next, page.unit, page.channel];
      draw();
    }
    reach.textContent = `Sequences ${from} to ${before - 1}${every > 1 ? `, about ${every} frames a point` : ""}.`;
    place.dataset.whole = "";
  };

  box.hidden = false;
  const begin = () => read(end - rawFrames, end);
  channel.addEventListener("change", () => read(from, before));
  wider.addEventListener("click", () => read(before - (before - from) * step, before === end ? end : Math.min(end, before + (before - from) * step)));
  closer.addEventListener("click", () => read(before - Math.ceil((before - from) / step), before));
  newest.addEventListener("click", begin);
  document.getElementById("theme").addEventListener("click", draw);
  addEventListener("resize", () => plot?.setSize({ width: place.clientWidth, height: 280 }));
  begin();
}
