// Live values over server-sent events, the theme, times that tick, and what single pages need (plots, the proof's check).
const root = document.documentElement;
const theme = document.getElementById("theme");
const keep = (value) => { try { return value ? localStorage.setItem("theme", value) : localStorage.getItem("theme"); } catch { return null; } }; // storage may be blocked
const kept = keep();
if (kept === "dark" || kept === "light") root.dataset.theme = kept;
theme.hidden = false;
theme.addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  keep(root.dataset.theme);
});

const age = (ms) => ms < 0 ? "in the future" : ms < 120_000 ? `${Math.floor(ms / 1000)} s ago` : ms < 7_200_000 ? `${Math.floor(ms / 60_000)} min ago` : ms < 172_800_000 ? `${Math.floor(ms / 3_600_000)} h ago` : `${Math.floor(ms / 86_400_000)} days ago`;
let ahead = 0; // the gateway's clock minus this one, ms
const tick = () => {
  for (const time of document.querySelectorAll("time[data-ms]")) {
    time.title ||= time.textContent;
    time.textContent = age(Date.now() + ahead - Number(time.dataset.ms));
  }
};

const staleMs = 6_000;
const stale = document.getElementById("stale");
let heard = Date.now();
const show = (event) => {
  heard = Date.now();
  ahead = event.nowMs - heard;
  for (const place of document.querySelectorAll("[data-value]")) if (event.values[place.dataset.value] !== undefined) place.textContent = event.values[place.dataset.value];
  for (const place of document.querySelectorAll("[data-status]")) {
    if (place.textContent === event.status) continue;
    location.reload(); // its reasons and what to do are the server's to tell
    return;
  }
  for (const device of event.devices) {
    const row = document.querySelector(`tr[data-device="${CSS.escape(device.device)}"]`);
    if (!row) continue;
    row.querySelector("[data-sequence]").textContent = device.sequence;
    const time = row.querySelector("time");
    if (device.receivedMs) time.dataset.ms = device.receivedMs;
    row.classList.add("fresh");
    setTimeout(() => row.classList.remove("fresh"), 800);
  }
  tick();
};

if (document.querySelector("nav")) {
  const events = new EventSource(document.querySelector("[data-events]")?.dataset.events ?? "/events");
  events.onmessage = (message) => show(JSON.parse(message.data));
  setInterval(() => {
    const silent = Date.now() - heard;
    if (silent >= staleMs && stale.hidden) stale.textContent = `No word from the gateway since ${new Date(heard).toLocaleTimeString()}: what stands here is from before.`; // once: it is read aloud
    stale.hidden = silent < staleMs;
    tick();
  }, 1_000);
  tick();
}

if (document.getElementById("plot")) (await import("./plot.js")).start();
if (document.querySelector("[data-proof], [data-proof-file]")) (await import("./proof.js")).start();
