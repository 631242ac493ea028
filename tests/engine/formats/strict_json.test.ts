import { describe, expect, test } from "bun:test";
import { parseStrictJson } from "../../../engine/formats/strict_json.ts";
import { seededRandom } from "../../support/random.ts";

describe("parseStrictJson()", () => {
  test.each([
    ["at the top", '{"a":1,"a":2}', "a"],
    ["with another between them", '{"a":1,"b":2,"a":3}', "a"],
    ["further in", '[{"x":{"b":1,"b":2}}]', "b"],
    ["spelled with an escape", '{"a":1,"\\u0061":2}', "a"],
    ["spelled with an escape first", '{"\\u0061":1,"a":2}', "a"],
    ["after objects that had it once", '[{"a":1,"b":2},{"a":1,"b":2},{"a":1,"a":2}]', "a"],
    ["as the key that came next in the object before", '[{"a":1,"b":2},{"b":1,"a":2,"b":3}]', "b"],
    ["behind all keys of the object before", '[{"a":1},{"a":1,"b":2,"b":3}]', "b"],
    ["called as members of all objects are", '{"__proto__":1,"__proto__":2}', "__proto__"],
    ["empty", '{"":1,"":2}', ""],
    // `a\b` is a backspace where `a\\b` has a backslash: they look alike to who compares the text.
    ["that looks like another key", '[{"a\\\\b":1},{"a\\b":1,"a\\b":2}]', "a\b"],
  ])("refuses a key that stands there twice: %s", (_where, text, key) => {
    expect(() => parseStrictJson(text)).toThrow(
      `The key ${JSON.stringify(key)} stands there twice`,
    );
  });

  test.each([
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":2}]',
    '{"a":"\\"a\\":1,\\"a\\":2"}',
    '{"a":"\\\\","b":"\\\\\\""}',
    '[{"a\\\\b":1},{"a\\b":1,"a\\\\b":2}]',
    '[{"b":1,"a":2},{"a":1,"b":2},{"b":1},{"c":1,"a":2,"b":3}]',
    '{"constructor":1,"toString":2}',
    '"{"',
    " 1 ",
  ])("reads %s", (text) => {
    expect(parseStrictJson(text)).toEqual(JSON.parse(text));
  });

  test.each([
    "",
    "{",
    '{"a"',
    '{"a":1',
    "}",
    '{"a":1}}',
    '{"a":1}{"b":1,"b":2}',
    '["a":1]',
    '"a',
    "{1:2}",
  ])("leaves what is no JSON to say so: %s", (text) => {
    expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  });

  test("refuses what is nested deeper than 500 levels", () => {
    const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
    expect(parseStrictJson(nested(500))).toBeArray();
    expect(() => parseStrictJson(nested(501))).toThrow("deeper than 500 levels");
  });

  test("says the same as who looks at every key, whatever the objects before were", () => {
    const random = seededRandom(11);
    const pick = <T>(from: readonly [T, ...T[]]): T =>
      from[Math.floor(random() * from.length)] ?? from[0];
    const key = () =>
      pick(['"a"', '"b"', '"c"', '"\\u0061"', '"a\\\\"', '"a\\""', '"a\\b"', '"a\\\\b"']);
    const value = (depth: number): string => {
      const size = Math.floor(random() * 4);
      const kind = depth > 4 ? 0 : random();
      if (kind < 0.3) return pick(["1", '"{"', '"\\\\"', "null", '"\\":"']);
      if (kind < 0.6) return `[${Array.from({ length: size }, () => value(depth + 1)).join(", ")}]`;
      const members = Array.from({ length: size }, () => `${key()} : ${value(depth + 1)}`);
      return `{${members.join(",")}}`;
    };
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      const text = value(0);
      // JSON.parse() calls the reviver once a key: what is lost is a key that stood there twice.
      const all = text.match(/"(?:[^"\\]|\\.)*"(?= :)/g)?.length ?? 0;
      let seen = 0;
      JSON.parse(text, function (this: unknown, _name, each) {
        if (!Array.isArray(this)) seen += 1;
        return each;
      });
      const isUnique = seen - 1 === all; // and once for the whole
      if (!isUnique) refused += 1;
      const read = () => parseStrictJson(text);
      if (isUnique) expect(read()).toEqual(JSON.parse(text));
      else expect(read).toThrow("stands there twice");
    }
    expect(refused).toBeGreaterThan(300);
    expect(refused).toBeLessThan(2700);
  });
});
