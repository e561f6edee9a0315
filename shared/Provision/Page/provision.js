// The page: a lane a board, the same steps and codes as `depin provision`. What needs the chain, the gateway or the report is asked of the server.

import { Board, BoardError } from "./board.js";
import { unhex } from "./frames.js";

const TOKEN_KEY = "depin-operator-token";
const STEPS = ["open", "identify", "claim", "register", "wifi", "enrol", "restart", "confirm", "done"];
const WORDS = {
  open: "opens the port", identify: "asks who it is", claim: "has the claim signed", register: "registers", wifi: "joins the Wi-Fi network", enrol: "gives the settings",
  restart: "restarts it", confirm: "waits for its first verified frame", watch: "waits for its registration and first frame", done: "done",
};
const POLL_MS = 500;
const WATCH_MS = 3000;

const given = document.querySelector("meta[name=token]").content; // the CLI's page has it; a gateway's asks for it
const door = document.querySelector("#door");
const lanes = document.querySelector("#lanes");
const said = document.querySelector("#said");
const password = document.querySelector("#password");
const add = document.querySelector("#add");
let job;
let count = 0;
let watching = false;
const taken = new Map(); // device: the lane that has it now
const waiting = new Map(); // device: the lane whose claim is not registered yet, or whose first frame has not come

async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: body ? "POST" : "GET", headers: { Authorization: `Bearer ${given || sessionStorage.getItem(TOKEN_KEY)}`, ...(body ? { "Content-Type": "application/json" } : {}) }, body: body && JSON.stringify(body),
    });
  } catch {
    throw new BoardError("P901", "the program that serves this page does not answer");
  }
  if (answer.status === 401 && given) throw new BoardError("P901", "the program that serves this page was started again: load the page anew");
  if (answer.status === 401) {
    sessionStorage.removeItem(TOKEN_KEY);
    door.hidden = false;
  }
  const result = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
  if (!answer.ok) throw new BoardError(result.code ?? "P901", result.message ?? `${path} answered ${answer.status}`);
  return result;
}

function row(name) {
  const line = document.createElement("tr");
  line.innerHTML = '<th scope="row"></th><td class="device"></td><td class="name"></td><td><progress max="8" value="0"></progress> <span class="step"></span></td><td class="result"></td><td class="next"></td>';
  line.querySelector("th").textContent = name;
  line.querySelector("progress").setAttribute("aria-label", `${name}: progress`);
  lanes.append(line);
  return (selector, text) => {
    line.querySelector(selector).textContent = text;
  };
}

async function provision(port) {
  const name = `board ${++count}`;
  const show = row(name);
  const line = lanes.lastElementChild;
  const began = performance.now();
  const board = new Board(port);
  const report = { port: name, device: "", board: "", firmware: "", keyKind: 0, step: "open", code: "", message: "", sequence: 0 };
  const step = (next) => {
    report.step = next;
    show(".step", WORDS[next]);
    line.querySelector("progress").value = STEPS.indexOf(next);
  };
  try {
    step("open");
    await board.open();
    step("identify");
    const identity = await board.identify();
    Object.assign(report, { device: identity.device, board: identity.board, firmware: identity.firmware, keyKind: identity.keyKind });
    show(".device", `${identity.device.slice(0, 8)}…`);
    if (taken.has(identity.device)) throw new BoardError("P102", `it is ${taken.get(identity.device)} too`);
    taken.set(identity.device, name);
    waiting.delete(identity.device);
    const known = await ask("/api/boards", identity);
    show(".name", known.name);
    if (known.isDone) {
      report.code = "P001";
    } else {
      step("claim");
      const signature = await board.claim(unhex(job.chainId), unhex(job.registry), unhex(job.owner));
      step("register");
      await ask("/api/claims", { ...identity, signature });
      if (job.wifi) {
        step("wifi");
        await board.join(job.wifi, password.value);
      }
      step("enrol");
      const seen = job.watches ? await ask(`/api/devices/${identity.device}`) : { lastSequence: 0, isKnown: false };
      await board.enrol({ settings: job.settings, authority: job.authority, name: known.name, location: known.location });
      step("restart");
      await board.restart();
      report.code = "P002";
      if (job.registers || seen.isKnown) {
        step("confirm");
        report.sequence = await confirm(identity.device, seen.lastSequence, board);
        report.code = "P000";
      }
    }
    step("done");
  } catch (error) {
    report.code = error instanceof BoardError ? error.code : "P901";
    report.message = error.message;
  } finally {
    if (taken.get(report.device) === name) taken.delete(report.device);
    await board.close();
  }

  report.seconds = (performance.now() - began) / 1000;
  report.waitSeconds = board.waitedMs / 1000;
  const lane = { name, line, show, report };
  await conclude(lane);
  if (report.code === "P002" && job.watches) watch(lane);
}

/** Shows and reports what came out. */
async function conclude({ name, line, show, report }) {
  const code = job.codes[report.code];
  line.className = report.code[1] === "0" ? "good" : "bad";
  show(".result", `${report.code} ${report.message || code.meaning}`);
  show(".next", code.next);
  said.textContent = `${name}: ${report.code}, ${report.message || code.meaning}. Next: ${code.next}.`;
  try {
    await ask("/api/report", report);
  } catch (error) {
    show(".next", `the report was not written: ${error.message}`);
    line.className = "bad";
  }
}

/** Waits for the first frames of boards whose claims were collected: they come when somebody has registered them. */
async function watch(lane) {
  waiting.set(lane.report.device, lane);
  lane.show(".step", WORDS.watch);
  if (watching) return;
  watching = true;
  while (waiting.size > 0) {
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    for (const [device, { show, line, report, name }] of waiting) {
      try {
        const { lastSequence, isRevoked } = await ask(`/api/devices/${device}`);
        if (!waiting.has(device) || (lastSequence === 0 && !isRevoked)) continue;
        waiting.delete(device);
        Object.assign(report, { code: isRevoked ? "P503" : "P000", sequence: lastSequence });
        show(".step", WORDS.done);
        await conclude({ name, line, show, report });
      } catch (error) {
        show(".step", `${WORDS.watch}; the server was asked in vain: ${error.message}`);
      }
    }
  }
  watching = false;
}

async function confirm(device, before, board) {
  const end = performance.now() + job.confirmSeconds * 1000;
  const began = performance.now();
  try {
    for (;;) {
      const { lastSequence, isRevoked } = await ask(`/api/devices/${device}`);
      if (isRevoked) throw new BoardError("P503", "the gateway says that it was revoked");
      if (lastSequence > before) return lastSequence;
      if (performance.now() > end) throw new BoardError("P602", `no new frame in ${job.confirmSeconds} s`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    board.waitedMs += performance.now() - began;
  }
}

async function begin() {
  job = await ask("/api/job");
  document.querySelector("#job").textContent = job.name;
  document.querySelector("#network").hidden = !job.wifi;
  document.querySelector("#ssid").textContent = job.wifi;
  document.querySelector("#unable").hidden = !!navigator.serial;
  document.querySelector("#work").hidden = false;
  add.disabled = !navigator.serial;
}

add.addEventListener("click", async () => {
  let port;
  try {
    port = await navigator.serial.requestPort();
  } catch {
    said.textContent = "No port was chosen.";
    return;
  }
  await provision(port);
});

door.addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = door.querySelector("input");
  sessionStorage.setItem(TOKEN_KEY, field.value.trim());
  try {
    await begin();
    field.value = "";
    door.hidden = true;
    said.textContent = "";
    add.focus();
  } catch (error) {
    said.textContent = `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
    field.select();
  }
});

if (given || sessionStorage.getItem(TOKEN_KEY)) {
  begin().catch((error) => {
    said.textContent = error.message;
  });
} else {
  door.hidden = false;
  door.querySelector("input").focus();
}
