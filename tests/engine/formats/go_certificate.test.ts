import { describe, expect, test } from "bun:test";
import { goCertificate } from "../../../engine/formats/go_certificate.ts";
import { encodeGoValue } from "../../../engine/formats/go_value.ts";
// Made by Go 1.26: x509.CreateCertificate(), and json.Marshal() of what x509.ParseCertificate() makes of it.
import certificates from "./go_certificates.json" with { type: "json" };

describe("goCertificate()", () => {
  test.each(certificates)("writes to the byte what Go writes: $name", ({ der, json }) => {
    const ours = encodeGoValue(goCertificate(Uint8Array.fromBase64(der)));
    expect(ours.replaceAll(/,"(?=[A-Z])/g, ',\n"')).toBe(json.replaceAll(/,"(?=[A-Z])/g, ',\n"'));
  });

  test("refuses every certificate that is cut off", () => {
    const der = Uint8Array.fromBase64(certificates[0]?.der ?? "");
    for (let length = 0; length < der.length; length += 7) {
      expect(() => goCertificate(der.subarray(0, length))).toThrow(SyntaxError);
    }
  });
});
