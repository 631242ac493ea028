import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** The desktop of a test: `xdg-open` opens a real Chromium that nobody sees. */
export interface TestDesktop extends Disposable {
  /** A `PATH` whose `xdg-open` is this. */
  readonly path: string;
  /** What the last page looks like when all has been loaded; waits for it. */
  readonly page: () => Promise<string>;
}

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  // It waits for what a page still loads and where it goes, then prints the document.
  "--virtual-time-budget=20000",
  "--dump-dom",
];

/** Makes a desktop with a new profile of Chromium. Whoever makes it disposes of it. */
export function makeDesktop(): TestDesktop {
  const folder = mkdtempSync(join(tmpdir(), "desktop-"));
  const bin = join(folder, "bin");
  const page = join(folder, "page.html");
  mkdirSync(bin);
  // Openers return while the browser runs on.
  const script = `#!/bin/sh
{ timeout 120 chromium ${FLAGS.join(" ")} --user-data-dir="${folder}/profile" "$1" > "${page}.part" 2> "${folder}/log"
  mv "${page}.part" "${page}"; } &
`;
  writeFileSync(join(bin, "xdg-open"), script);
  chmodSync(join(bin, "xdg-open"), 0o755);
  return {
    path: [bin, process.env["PATH"] ?? ""].join(delimiter),
    page: async () => {
      for (let attempt = 0; attempt < 600; attempt++) {
        try {
          return readFileSync(page, "utf8");
        } catch {
          await Bun.sleep(200); // the browser is another process: nothing tells us when it has ended
        }
      }
      throw new Error(`Chromium shows nothing: ${readFileSync(join(folder, "log"), "utf8")}`);
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
