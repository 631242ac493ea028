import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { countTests, listSkipped } from "../.ci/junit.mjs";
import { npmComponents } from "../.ci/notices.mjs";

const root = dirname(import.meta.dir);
const read = (path: string): string => readFileSync(join(root, path), "utf8");

interface LockEntry {
  readonly version: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

describe("package-lock.json", () => {
  const packages: Readonly<Record<string, LockEntry>> = JSON.parse(
    read("package-lock.json"),
  ).packages;

  test("names no registry: npm asks the one it is told to ask", () => {
    expect(read("package-lock.json")).not.toContain('"resolved"');
    expect(read(".npmrc")).not.toContain("registry=");
  });

  test("names the packages of every platform, without which npm ci refuses it", () => {
    const missing = Object.entries(packages)
      .filter(([path]) => path !== "")
      .flatMap(([, entry]) => Object.entries(entry.optionalDependencies ?? {}))
      .filter(([name, range]) => {
        const locked = packages[`node_modules/${name}`];
        return locked === undefined || !Bun.semver.satisfies(locked.version, range);
      });
    expect(missing).toEqual([]);
  });

  test("and package.json pin every version exactly", () => {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
      read("package.json"),
    );
    const versions = Object.entries({
      ...dependencies,
      ...devDependencies,
      ...optionalDependencies,
    });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)))).toEqual([]);
    expect(
      versions.filter(([name, version]) => packages[`node_modules/${name}`]?.version !== version),
    ).toEqual([]);
  });
});

test("npmComponents() has the licence of every package that the program stands on", () => {
  const components = npmComponents();
  const { dependencies } = JSON.parse(read("package.json"));
  for (const [name, version] of Object.entries(dependencies)) {
    expect(components.map((each) => each.name)).toContain(`${name} ${version}`);
  }
  for (const { name, text } of components) {
    expect([name, /copyright|public domain|licen[sc]e/i.test(text)]).toEqual([name, true]);
  }
  expect(components.some(({ name }) => name.startsWith("typescript "))).toBe(false);
});

test("no file names the folder that the project lies in on this machine", () => {
  const folders = ["engine", "plugins", "tests", "docs", "bench", ".ci"];
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|mjs|md|json|ya?ml|sh)$|^run$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  expect(files.filter((path) => readFileSync(path, "utf8").includes(`${root}/`))).toEqual([]);
});

describe("the reader of JUnit reports", () => {
  const xml = `<testsuites><testsuite>
    <testcase name="one" file="a.test.ts" assertions="1" />
    <testcase name="a &gt; b" file="a.test.ts"><failure message="1 &gt; 2">text</failure></testcase>
    <testsuite name="inner"><testcase name="says &quot;later&quot;" file="a.test.ts"><skipped /></testcase></testsuite>
  </testsuite></testsuites>`;

  test("countTests() counts passed, failed and skipped test cases", () => {
    expect(countTests(xml)).toEqual({ passed: 1, failed: 1, skipped: 1 });
  });

  test("listSkipped() names what was skipped", () => {
    expect(listSkipped(xml)).toEqual(['a.test.ts: says "later"']);
  });
});
