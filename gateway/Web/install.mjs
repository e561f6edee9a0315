// Installs this folder's npm packages (package-lock.json) into the folder that is given, whole or not at all: beside it first, then by one rename. Builds that
// run at the same time do not see each other's half; the first to be ready wins, and the others throw theirs away.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url)), target = resolve(process.argv[2]);
mkdirSync(dirname(target), { recursive: true });
const own = mkdtempSync(`${target}.`);
try {
  for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(here, file), join(own, file));
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], { cwd: own, stdio: "inherit", shell: process.platform === "win32" });
  try {
    renameSync(own, target);
  } catch (taken) {
    if (!existsSync(join(target, "node_modules"))) throw taken;
  }
} finally {
  rmSync(own, { recursive: true, force: true });
}
