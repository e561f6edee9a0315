// One channel of a device over time. Dragging shows a stretch; "Older" reads further back.
import uPlot from "./uPlot.js";

export function start() {
  const box = document.querySelector(".plot");
  const place = document.getElementById("plot"), channel = document.getElementById("channel"), older = document.getElementById("older");
  let times = [], values = [], next = null, unit = "", name = "", plot = null;

  const draw = () => {
    plot?.destroy();
    // light-dark() is resolved by an element's own style, not in the variable.
    const text = getComputedStyle(document.body).color, line = getComputedStyle(document.querySelector("a")).color;
    const axis = { stroke: text, grid: { stroke: text, width: 0.15 }, ticks: { stroke: text, width: 0.3 } };
    plot = new uPlot({
      width: place.clientWidth, height: 280, cursor: { drag: { x: true, y: false } }, scales: { x: { time: true } },
      axes: [axis, { ...axis, label: unit, size: 64 }],
      series: [{ value: (_, s) => s == null ? "" : new Date(s * 1000).toLocaleString() }, { label: name, stroke: line, width: 2, points: { show: times.length < 200 } }],
    }, [times.map((ms) => ms / 1000), values], place);
    place.setAttribute("aria-label", times.length ? `${name}: ${times.length} values, newest ${values.at(-1)} ${unit}; the table below has them` : `${name}: no value`);
    place.dataset.points = times.length;
    older.disabled = next === null;
  };
  const read = async (before) => {
    const answer = await fetch(`/api/devices/${box.dataset.deviceId}/series?channel=${channel.value}${before ? `&before=${before}` : ""}`);
    if (!answer.ok) throw new Error(`the readings could not be read (${answer.status})`);
    const page = await answer.json();
    // A device's clock may step back: a plot wants rising times.
    const points = page.timesMs.map((t, i) => [t, page.values[i]]).concat(before ? times.map((t, i) => [t, values[i]]) : []).sort((a, b) => a[0] - b[0]);
    [times, values, next, unit, name] = [points.map((p) => p[0]), points.map((p) => p[1]), page.next, page.unit, page.channel];
    draw();
  };

  box.hidden = false;
  channel.addEventListener("change", () => read());
  older.addEventListener("click", () => read(next));
  document.getElementById("whole").addEventListener("click", draw);
  document.getElementById("theme").addEventListener("click", draw);
  addEventListener("resize", () => plot?.setSize({ width: place.clientWidth, height: 280 }));
  read();
}
