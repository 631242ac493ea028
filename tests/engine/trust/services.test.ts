import { describe, expect, test } from "bun:test";
import type {
  Service,
  ServiceChoice,
  SigningConfig,
} from "../../../engine/formats/signing_config.ts";
import { parseSigningConfig } from "../../../engine/formats/signing_config.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import { missingService, selectServices } from "../../../engine/trust/services.ts";
import { readVectorText } from "../../support/vectors.ts";

const NOW = new Date("2026-11-22T12:00:00Z");

/** `name@version`, from a day on, run by somebody. */
function service(
  name: string,
  version: number,
  { start = "2026-01-01", end = "", by = "a" } = {},
): Service {
  const day = (text: string) => new Date(`${text}T00:00:00Z`);
  return {
    url: `https://${name}.test`,
    majorVersion: version,
    validFor: { start: day(start), ...(end === "" ? {} : { end: day(end) }) },
    operator: by,
  };
}

function config(parts: Partial<SigningConfig>): SigningConfig {
  return {
    certificateAuthorities: [],
    oidcProviders: [],
    logs: [],
    logChoice: { selector: "undefined" },
    timestampAuthorities: [],
    timestampChoice: { selector: "undefined" },
    ...parts,
  };
}

function logs(services: readonly Service[], logChoice: ServiceChoice): readonly string[] {
  const chosen = selectServices(config({ logs: services, logChoice }), NOW).logs;
  return chosen.map(({ url, majorVersion }) => `${new URL(url).hostname}@${majorVersion}`);
}

function refusal(action: () => unknown): CosignError {
  try {
    action();
  } catch (error) {
    if (error instanceof CosignError) return error;
  }
  throw new TypeError("It was not refused");
}

describe("selectServices()", () => {
  const all = { selector: "all" } as const;
  const any = { selector: "any" } as const;

  test("takes the services of the vectors that cosign signed with", () => {
    const text = readVectorText("trust/signing-config.json", "keyless");
    expect(selectServices(parseSigningConfig(utf8(text)), NOW)).toEqual({
      fulcio: { url: "http://127.0.0.1:5811" },
      oidc: { url: "http://127.0.0.1:5810/auth" },
      logs: [{ url: "http://127.0.0.1:5817", majorVersion: 2 }],
      timestampAuthorities: [{ url: "http://127.0.0.1:5819/api/v1/timestamp" }],
    });
  });

  test("takes no services where none are named, whatever the choice says", () => {
    const none = selectServices(config({ logChoice: { selector: "exact", count: 3 } }), NOW);
    expect(none).toEqual({ logs: [], timestampAuthorities: [] });
  });

  test("takes the highest version that is spoken here, and no second one", () => {
    const list = [
      service("one", 1),
      service("two", 2, { by: "b" }),
      service("three", 3, { by: "c" }),
    ];
    expect(logs(list, all)).toEqual(["two.test@2"]);
    expect(logs(list.slice(0, 1), all)).toEqual(["one.test@1"]);
  });

  test("goes down to the lower version when the higher one is not valid yet", () => {
    const later = service("two", 2, { start: "2027-01-01" });
    expect(logs([service("one", 1), later], any)).toEqual(["one.test@1"]);
  });

  test("takes the newest of an operator, and one of each operator", () => {
    const list = [
      service("old", 2, { start: "2024-01-01" }),
      service("new", 2, { start: "2026-06-01" }),
      service("other", 2, { start: "2025-01-01", by: "b" }),
    ];
    expect(logs(list, all)).toEqual(["new.test@2", "other.test@2"]);
    expect(logs(list, any)).toEqual(["new.test@2"]);
    expect(logs(list, { selector: "exact", count: 2 })).toEqual(["new.test@2", "other.test@2"]);
    expect(logs(list, { selector: "exact", count: 1 })).toEqual(["new.test@2"]);
  });

  test("counts a service as valid at both ends of its time", () => {
    const atEnds = { start: NOW, end: NOW };
    const edge = { ...service("edge", 2), validFor: atEnds };
    expect(logs([edge], any)).toEqual(["edge.test@2"]);
    const before = { ...edge, validFor: { end: new Date(NOW.getTime() - 1) } };
    expect(refusal(() => logs([before], any)).code).toBe("SIGNING_CONFIG_INVALID");
  });

  test("refuses what demands more than there is, and what does not say how many", () => {
    const list = [service("a", 2), service("b", 2)]; // one operator
    for (const [choice, why] of [
      [{ selector: "exact", count: 2 }, "exactly 2 of the 1"],
      [{ selector: "exact", count: 0 }, "exactly 0"],
      [{ selector: "undefined" }, "how many"],
    ] as const) {
      const error = refusal(() => logs(list, choice));
      expect(error.code).toBe("SIGNING_CONFIG_INVALID");
      expect(error.message).toContain(why);
      expect(error.hint).toContain("--signing-config");
    }
  });

  test("refuses logs and timestamp authorities none of which may be used: a log is never left out in silence", () => {
    const ended = service("old", 2, { end: "2026-02-01" });
    expect(refusal(() => logs([ended, service("new", 3)], all)).message).toContain(
      "version 1 or 2",
    );
    const tsa = config({ timestampAuthorities: [ended], timestampChoice: { selector: "any" } });
    expect(refusal(() => selectServices(tsa, NOW)).message).toContain("timestamp authority");
  });

  test("leaves out an authority or a provider that may not be used: a key signs without", () => {
    const ended = service("old", 1, { end: "2026-02-01" });
    const chosen = selectServices(
      config({ certificateAuthorities: [ended], oidcProviders: [service("new", 2)] }),
      NOW,
    );
    expect(chosen).toEqual({ logs: [], timestampAuthorities: [] });
    expect(missingService("OIDC provider")).toMatchObject({ code: "SIGNING_CONFIG_INVALID" });
  });
});
