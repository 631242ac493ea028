/**
 * `node .ci/lock.mjs` completes `package-lock.json` after `npm install`: a registry that does not
 * carry every platform's packages lets npm leave the missing ones out, and `npm ci` then refuses the
 * lock file wherever the registry has them. What is added has no `integrity`: npm takes the
 * registry's on the platforms that install it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./lib.mjs";

const path = join(root, "package-lock.json");
const lock = JSON.parse(readFileSync(path, "utf8"));
for (const [parent, entry] of Object.entries(lock.packages)) {
  if (parent === "") continue;
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    lock.packages[`node_modules/${name}`] ??= describePackage(name, version, entry.dev);
  }
}
const sorted = Object.entries(lock.packages).sort(([left], [right]) => (left < right ? -1 : 1));
lock.packages = Object.fromEntries(sorted);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);

/** The platform is in the name: `@scope/[prefix-]SYSTEM-PROCESSOR[-glibc|-musl]`. */
function describePackage(name, version, dev) {
  const match = /(android|darwin|freebsd|linux|win32)-(arm64|x64)(?:-(glibc|musl))?$/.exec(name);
  if (match === null) throw new Error(`Cannot tell the platform of "${name}"`);
  const [, system, processor, library] = match;
  return {
    version,
    cpu: [processor],
    ...(dev && { dev }),
    ...(library !== undefined && { libc: [library] }),
    optional: true,
    os: [system],
  };
}
