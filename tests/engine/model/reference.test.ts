import { describe, expect, test } from "bun:test";
import { formatReference, parseReference } from "../../../engine/model/reference.ts";

const digest = `sha256:${"a".repeat(64)}`;

describe("parseReference()", () => {
  // As go-containerregistry's weak mode reads them.
  const good: readonly [string, string][] = [
    ["alpine", "index.docker.io/library/alpine:latest"],
    ["alpine:3.20", "index.docker.io/library/alpine:3.20"],
    ["docker.io/alpine", "index.docker.io/library/alpine:latest"],
    ["index.docker.io/team/app", "index.docker.io/team/app:latest"],
    ["team/app", "index.docker.io/team/app:latest"],
    ["localhost/app", "localhost/app:latest"],
    ["localhost:5000/app:v1", "localhost:5000/app:v1"],
    ["127.0.0.1:5000/a/b/c", "127.0.0.1:5000/a/b/c:latest"],
    ["[::1]:5000/app", "[::1]:5000/app:latest"],
    ["ghcr.io/a/b:t", "ghcr.io/a/b:t"],
    [`ghcr.io/a/b@${digest}`, `ghcr.io/a/b@${digest}`],
    [`ghcr.io/a/b:t@${digest}`, `ghcr.io/a/b@${digest}`],
    [`localhost:5000/app@${digest}`, `localhost:5000/app@${digest}`],
  ];
  for (const [text, name] of good) {
    test(`reads ${text}`, () => {
      expect(formatReference(parseReference(text))).toBe(name);
    });
  }

  const bad = [
    "",
    "UPPER/case",
    "a b",
    "app:",
    "app:bad/tag:x y",
    `app:${"t".repeat(129)}`,
    "ghcr.io/a/b@sha256:abc",
    `ghcr.io/a/b@${digest.toUpperCase()}`,
    `ghcr.io/a/b@md5:${"a".repeat(32)}`,
    "ghcr.io/../secret",
    "ghcr.io/a//b",
    "user@host/app",
    "http://ghcr.io/a/b",
    "ghcr.io:99999999/a/b",
    "x".repeat(2000),
    "ghcr.io/a/b\n",
  ];
  for (const text of bad) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(() => parseReference(text)).toThrow(
        expect.objectContaining({ code: "REFERENCE_INVALID" }),
      );
    });
  }
});
