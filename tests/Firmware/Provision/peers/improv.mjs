// The official Improv client (improv-wifi-serial-sdk) on a serial device: what a browser does with Web Serial, with a file in its place.
// Input on stdin: { path, steps: [{ do: 'scan' | 'state' | 'name' | 'hostname' | 'provision', ... }] }. Output: { info, steps: [...] }.
import fs from 'node:fs';
import { register } from 'node:module';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The package is written for a bundler: ES modules that name files without their ending, in a package that does not say "module".
register('data:text/javascript,' + encodeURIComponent(`
  export async function resolve(specifier, context, next) {
    const ours = context.parentURL?.includes('/improv-wifi-serial-sdk/');
    return next(ours && specifier.startsWith('.') && !specifier.endsWith('.js') ? specifier + '.js' : specifier, context);
  }
  export async function load(url, context, next) {
    return next(url, url.includes('/improv-wifi-serial-sdk/') ? { ...context, format: 'module' } : context);
  }`));

let text = '';
for await (const chunk of process.stdin) text += chunk;
const { path, steps } = JSON.parse(text);

const main = createRequire(import.meta.url).resolve('improv-wifi-serial-sdk');
const { ImprovSerial } = await import(pathToFileURL(join(dirname(main), 'serial.js')));

// Never a waiting read: one that waits on a terminal would keep the process from ending.
const descriptor = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_NOCTTY | fs.constants.O_NONBLOCK);
const port = {
  readable: new ReadableStream({
    start(controller) {
      const buffer = Buffer.alloc(256);
      setInterval(() => {
        try {
          const count = fs.readSync(descriptor, buffer);
          if (count > 0) controller.enqueue(new Uint8Array(buffer.subarray(0, count)));
        } catch (error) {
          if (error.code !== 'EAGAIN') controller.error(error);
        }
      }, 5);
    },
  }),
  writable: new WritableStream({ write: (bytes) => { fs.writeSync(descriptor, bytes); } }),
};

// Complaints of the client about what the board sent count; its chatter does not.
const complaints = [];
const logger = { log() {}, debug() {}, error: (...words) => complaints.push(words.map(String).join(' ')) };
const improv = new ImprovSerial(port, logger);
const info = await improv.initialize(20000);
const first = improv.state;
const done = [];
for (const step of steps) {
  try {
    let value = null;
    if (step.do === 'scan') value = await improv.scan();
    if (step.do === 'state') { await improv.requestCurrentState(); value = improv.state; }
    if (step.do === 'name') value = await (step.value ? improv.setDeviceName(step.value) : improv.getDeviceName());
    if (step.do === 'hostname') value = await (step.value ? improv.setHostname(step.value) : improv.getHostname());
    if (step.do === 'provision') await improv.provision(step.ssid, step.password);
    done.push({ value, state: improv.state, url: improv.nextUrl ?? null, error: null });
  } catch (error) {
    done.push({ value: null, state: improv.state, url: null, error: String(error) });
  }
}
process.stdout.write(JSON.stringify({ info, first, steps: done, complaints }), () => process.exit(0));
