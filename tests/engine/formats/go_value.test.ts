import { describe, expect, test } from "bun:test";
import {
  encodeGoValue,
  encodeGoValueBytes,
  GoMap,
  type GoValue,
} from "../../../engine/formats/go_value.ts";
import { parseUtf8 } from "../../../engine/model/bytes.ts";

/** As text and as bytes, which must agree. */
function encoded(value: GoValue): string {
  const text = encodeGoValue(value);
  expect(parseUtf8(encodeGoValueBytes(value))).toBe(text);
  return text;
}

describe("encodeGoValue()", () => {
  test("keeps the order of an object, as Go does that of a struct, and leaves out what is absent", () => {
    expect(encoded({ b: 1, a: [true, null, "<&>"], none: undefined })).toBe(
      '{"b":1,"a":[true,null,"\\u003c\\u0026\\u003e"]}',
    );
  });

  // Written by encoding/json of Go 1.26: json.Marshal(map[string]any{…}).
  test.each([
    ['{"b":1,"a":{"d":1,"c":2}}', '{"a":{"c":2,"d":1},"b":1}'],
    ['{"9":1,"10":2,"b":3,"A":4}', '{"10":2,"9":1,"A":4,"b":3}'],
    [
      '[{"2":{"z":1,"y":2}},{"b":1,"a":2},{"b":3,"a":4}]',
      '[{"2":{"y":2,"z":1}},{"a":2,"b":1},{"a":4,"b":3}]',
    ],
    [
      '{"__proto__":1,"Z":{"__proto__":{"b":1,"a":2}}}',
      '{"Z":{"__proto__":{"a":2,"b":1}},"__proto__":1}',
    ],
    // U+FF61 before U+1F600: by UTF-8, not by UTF-16.
    ['{"\\ud83d\\ude00":1,"\\uff61":2}', '{"\uff61":2,"\u{1f600}":1}'],
    ['{"<":"\\u2028"}', '{"\\u003c":"\\u2028"}'],
    ['"text"', '"text"'],
    ["[]", "[]"],
  ])("writes the map %s as Go does", (json, wanted) => {
    expect(encoded(new GoMap(JSON.parse(json)))).toBe(wanted);
  });

  test("knows maps inside of structs, and inside of maps", () => {
    const map = new GoMap({ b: 1, a: new GoMap({ d: 1, c: 2 }) });
    expect(encoded({ z: map, y: [map] })).toBe(
      '{"z":{"a":{"c":2,"d":1},"b":1},"y":[{"a":{"c":2,"d":1},"b":1}]}',
    );
  });

  test("writes bytes in base64, whatever their number", () => {
    for (const length of [0, 1, 2, 3, 0xbfff, 0xc000, 0xc001, 200_000]) {
      const bytes = new Uint8Array(length).map((_, at) => at * 7);
      const base64 = Buffer.from(bytes).toString("base64");
      expect(encoded({ a: bytes, b: [bytes, "x"] })).toBe(
        `{"a":"${base64}","b":["${base64}","x"]}`,
      );
    }
  });
});
