/**
 * Gathers what the licences of other people's code demand to travel with the binary: of the npm packages
 * that are in it, of the Go modules of CUE and OPA when they are, and of the runtime. Writes
 * `dist/THIRD_PARTY_NOTICES`, which the build embeds: `cosign-ts version --licenses` prints it.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./lib.mjs";
import { findGo } from "./policy.mjs";

const IS_NOTICE = /^(?:licen[sc]e|copying|notice|patents)(?:[.-]|$)/i;
const RULE = "=".repeat(80);
/** Licences of packages that come without their text, by their SPDX names. */
const TEXTS = {
  "Apache-2.0": () => readFileSync(join(root, "LICENSE"), "utf8"),
  MIT: (holder) => `MIT License

Copyright (c) ${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`,
  ISC: (holder) => `ISC License

Copyright (c) ${holder}

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE.`,
  Unlicense: () =>
    "Released into the public domain by its authors (The Unlicense, https://unlicense.org).",
};

/**
 * Writes the notices.
 *
 * @param hasPolicies Whether CUE and OPA are embedded.
 * @returns the path of the file.
 */
export function writeNotices(hasPolicies) {
  const components = [runtime(), ...npmComponents(), ...(hasPolicies ? goComponents() : [])];
  const path = join(root, "dist", "THIRD_PARTY_NOTICES");
  writeFileSync(path, textOf(components));
  return path;
}

/** The packages that `dependencies` of package.json lead to, as they are installed. */
export function npmComponents() {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  const found = new Map();
  const visit = (from, names) => {
    for (const name of names) {
      const place = placeOf(packages, from, name);
      if (place === undefined || found.has(place)) continue;
      const { version, license, dependencies, optionalDependencies } = packages[place];
      found.set(place, { name, version, license });
      visit(place, Object.keys({ ...dependencies, ...optionalDependencies }));
    }
  };
  const { dependencies, optionalDependencies } = packages[""];
  visit("", Object.keys({ ...dependencies, ...optionalDependencies }));
  return [...found]
    .filter(([place]) => existsSync(join(root, place)))
    .map(([place, { name, version, license }]) => ({
      name: `${name} ${version}`,
      license: license ?? "see below",
      text: noticesIn(join(root, place)) || missingText(join(root, place), license),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Where `name` is found from a package: in its own node_modules, or in those around it. */
function placeOf(packages, from, name) {
  for (let place = from; ; place = place.replace(/(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+$/, "")) {
    const candidate = `${place === "" ? "" : `${place}/`}node_modules/${name}`;
    if (packages[candidate] !== undefined) return candidate;
    if (place === "") return undefined;
  }
}

/** The modules that `plugins/policy/` is linked with, and Go itself; kept until its go.sum changes. */
function goComponents() {
  const sources = join(root, "plugins", "policy");
  const kept = join(root, "dist", "policy.notices.json");
  const hash = createHash("sha256")
    .update(readFileSync(join(sources, "go.sum")))
    .digest("hex");
  if (existsSync(kept)) {
    const { of, components } = JSON.parse(readFileSync(kept, "utf8"));
    if (of === hash) return components;
  }
  const components = listGoModules(sources);
  writeFileSync(kept, JSON.stringify({ of: hash, components }));
  return components;
}

function listGoModules(sources) {
  const go = findGo();
  if (go === undefined) throw new Error("notices: the licences of CUE and OPA need Go");
  const format = "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}";
  const options = {
    cwd: sources,
    encoding: "utf8",
    env: { ...process.env, GOOS: "js", GOARCH: "wasm", CGO_ENABLED: "0", GOTOOLCHAIN: "local" },
  };
  const listed = spawnSync(go, ["list", "-deps", "-f", format, "."], options);
  if (listed.status !== 0) throw new Error(`notices: go list failed: ${listed.stderr.trim()}`);
  const modules = [...new Set(listed.stdout.split("\n").filter((line) => line !== ""))].sort();
  const { stdout } = spawnSync(go, ["env", "GOVERSION", "GOROOT"], { encoding: "utf8" });
  const [version = "", goRoot = ""] = stdout.split("\n");
  return [
    { name: `Go ${version.replace("go", "")}`, license: "BSD-3-Clause", text: noticesIn(goRoot) },
    ...modules.map((line) => {
      const [name = "", dir = ""] = line.split("\t");
      const text = noticesIn(dir);
      if (text === "") throw new Error(`notices: ${name} has no licence`);
      return { name, license: "see below", text };
    }),
  ];
}

/** What this is compiled into. Its own licence names those of the libraries that it is linked with. */
function runtime() {
  const { version } = JSON.parse(
    readFileSync(join(root, "node_modules", "bun", "package.json"), "utf8"),
  );
  const sources = `https://github.com/oven-sh/bun/tree/bun-v${version}`;
  return {
    name: `Bun ${version}`,
    license: "MIT, with parts under LGPL-2.0, LGPL-2.1, Apache-2.0, BSD and others",
    text: `${TEXTS.MIT("Oven and the authors of Bun")}

The runtime is linked with JavaScriptCore and WebKit (LGPL-2.0), TinyCC (LGPL-2.1), BoringSSL and other libraries. Their licences, and how to link it anew with changed libraries, are told in LICENSE.md of its sources: ${sources}. This program is all of its own sources together with that runtime: "npm run build" links it anew.`,
  };
}

function noticesIn(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && IS_NOTICE.test(entry.name))
    .map(({ name }) => name)
    .sort()
    .map((name) => readFileSync(join(folder, name), "utf8").trim())
    .join("\n\n");
}

function missingText(folder, license) {
  const { author, name } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const holder = (typeof author === "string" ? author : author?.name) ?? `the authors of ${name}`;
  const text = TEXTS[license]?.(holder);
  if (text === undefined)
    throw new Error(`notices: "${name}" has the licence ${license}, and no text`);
  return text;
}

/** All components, then each text once with those that it is of. */
function textOf(components) {
  const groups = new Map();
  for (const { name, text } of components) groups.set(text, [...(groups.get(text) ?? []), name]);
  return [
    "cosign-ts is licensed under the Apache License 2.0. It contains the following software of others.",
    "",
    ...components.map(
      ({ name, license }) => `${name}${license === "see below" ? "" : ` (${license})`}`,
    ),
    ...[...groups].map(([text, names]) => `\n${RULE}\n${names.join("\n")}\n\n${text}`),
    "",
  ].join("\n");
}
