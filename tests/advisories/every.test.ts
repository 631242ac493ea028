import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * The advisories of others that a tool with keys can meet: of cosign and its libraries, of TUF, of
 * notation, of the Kubernetes layers over them, of registry clients, of JavaScript's cryptography.
 */
const ADVISORIES = [
  "CVE-2022-23649",
  "CVE-2026-22703",
  "CVE-2026-49834",
  "CVE-2026-54787",
  "CVE-2026-24137",
  "CVE-2025-66564",
  "CVE-2026-49835",
  "CVE-2026-39984",
  "CVE-2025-66506",
  "CVE-2026-22772",
  "CVE-2026-49478",
  "CVE-2023-30551",
  "CVE-2023-33199",
  "CVE-2026-23831",
  "CVE-2026-24117",
  "CVE-2026-48702",
  "CVE-2023-47122",
  "CVE-2024-51746",
  "CVE-2026-24408",
  "CVE-2025-62375",
  "CVE-2021-41087",
  "GHSA-pmwq-pjrm-6p5r",
  "sigstore-js 1702",
  "sigstore-js 1722",
  "sigstore-js 1678",
  "sigstore-js 1659",
  "sigstore-js 1658",
  "CVE-2023-33957",
  "CVE-2024-23332",
  "CVE-2024-56138",
  "CVE-2024-51491",
  "CVE-2022-29173",
  "GHSA-3633-5h82-39pq",
  "CVE-2024-47534",
  "CVE-2026-23991",
  "CVE-2026-23992",
  "CVE-2026-24686",
  "CVE-2021-41131",
  "PYSEC-2020-145",
  "PYSEC-2020-146",
  "PYSEC-2020-147",
  "CVE-2022-35929",
  "CVE-2022-35930",
  "CVE-2022-36056",
  "CVE-2023-46737",
  "CVE-2024-29902",
  "CVE-2024-29903",
  "CVE-2024-45395",
  "CVE-2026-24122",
  "CVE-2026-39395",
  "CVE-2026-44309",
  "CVE-2026-44310",
  "GHSA-r2xv-vpr2-42m9",
  "sigstore-js 85c58380",
  "sigstore-js 1718",
  "sigstore-js 1657",
  "CVE-2023-25656",
  "CVE-2023-33958",
  "CVE-2023-33959",
  "CVE-2022-47633",
  "CVE-2023-42813",
  "CVE-2025-29778",
  "GO-2026-6225",
  "CVE-2026-33540",
  "CVE-2026-48978",
  "GHSA-vh4v-2xq2-g5cg",
  "CVE-2026-50151",
  "CVE-2026-50162",
  "CVE-2026-50163",
  "GHSA-f36w-mj3v-6jqv",
  "CVE-2026-49349",
  "GHSA-qv35-3gw6-8q4j",
  "CVE-2026-24845",
  "CVE-2019-10214",
  "CVE-2024-3727",
  "CVE-2021-41092",
  "GHSA-qq97-vm5h-rrhg",
  "CVE-2020-15157",
  "CVE-2025-66030",
  "CVE-2025-66031",
  "CVE-2026-33894",
  "CVE-2026-33895",
  "CVE-2022-24771",
  "CVE-2020-13822",
  "CVE-2024-42459",
  "CVE-2020-0601",
  "CVE-2017-15361",
];

test.each(ADVISORIES)("%s stands in the name of a test", (id) => {
  const tests = dirname(import.meta.dir);
  const names = readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts") && path !== join("advisories", "every.test.ts"))
    .flatMap((path) => readFileSync(join(tests, path), "utf8").match(NAME) ?? []);
  expect(names.some((name) => name.includes(id))).toBe(true);
});

/** What a test is called, or a row of a table of tests. */
const NAME = /(?:\btest(?:\.each\([\s\S]*?\))?\(\s*["`][^\n]*|^\s*\[\s*"[^\n]*)/gm;
