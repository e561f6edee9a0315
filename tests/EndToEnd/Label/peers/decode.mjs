// Decodes QR codes with jsQR. Input: [{ "png": base64 } or { "size": n, "dark": [[x, y, width], ...] }]; output: [text or null].
import jsqr from 'jsqr';
import { PNG } from 'pngjs';

const decode = jsqr.default ?? jsqr;
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);

function paint(size, dark) {
  const scale = 6, side = size * scale, data = new Uint8ClampedArray(side * side * 4).fill(255);
  for (const [x, y, width] of dark)
    for (let py = y * scale; py < (y + 1) * scale; py++)
      for (let px = x * scale; px < (x + width) * scale; px++) data.fill(0, (py * side + px) * 4, (py * side + px) * 4 + 3);
  return { data, width: side, height: side };
}

const answers = JSON.parse(Buffer.concat(chunks)).map((item) => {
  const image = item.png ? PNG.sync.read(Buffer.from(item.png, 'base64')) : paint(item.size, item.dark);
  return decode(new Uint8ClampedArray(image.data), image.width, image.height)?.data ?? null;
});
process.stdout.write(JSON.stringify(answers));
