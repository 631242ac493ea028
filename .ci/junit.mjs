/** Reads what `bun test --reporter=junit` writes. */

/** How many test cases passed, failed and were skipped. */
export function countTests(xml) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const { body } of testCases(xml)) {
    if (/<(failure|error)\b/.test(body)) failed += 1;
    else if (/<skipped\b/.test(body)) skipped += 1;
    else passed += 1;
  }
  return { passed, failed, skipped };
}

/** The names of the skipped test cases, with their files. */
export function listSkipped(xml) {
  return testCases(xml)
    .filter(({ body }) => /<skipped\b/.test(body))
    .map(({ head }) => `${attribute(head, "file")}: ${attribute(head, "name")}`);
}

function testCases(xml) {
  const cases = [];
  for (const match of xml.matchAll(
    /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    cases.push({ head: match[1] ?? "", body: match[2] ?? "" });
  }
  return cases;
}

function attribute(head, name) {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(head)?.[1] ?? "";
  return value
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");
}
