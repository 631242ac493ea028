import { describe, expect, test } from "bun:test";
import {
  isCompanionTag,
  type Listed,
  listRegistry,
  listRepository,
} from "../../../engine/batch/discovery.ts";
import { CosignError } from "../../../engine/model/errors.ts";
import { parseRepository } from "../../../engine/model/reference.ts";
import { fakeRegistry } from "../../support/fake_registry.ts";

const HEX = "0123456789abcdef".repeat(4);
const HOST = "registry.example";

async function texts(listed: AsyncIterable<Listed>): Promise<string[]> {
  const all: string[] = [];
  for await (const one of listed) {
    all.push(one.kind === "found" ? one.reference : `${one.name}: ${one.reason.code}`);
  }
  return all;
}

describe("isCompanionTag()", () => {
  test.each([
    [`sha256-${HEX}`, true],
    [`sha256-${HEX}.sig`, true],
    [`sha256-${HEX}.att`, true],
    [`sha256-${HEX}.sbom`, true],
    [`prefix-sha256-${HEX}.sig`, true],
    [`sha256-${HEX}.other`, false],
    [`sha256-${HEX.slice(1)}`, false],
    [`sha256-${HEX}-1`, false],
    ["v1.sig", false],
    ["latest", false],
  ])("%p: %p", (tag, isCompanion) => {
    expect(isCompanionTag(tag)).toBe(isCompanion);
  });
});

describe("listRepository()", () => {
  const repository = parseRepository(`${HOST}/team/api`);

  test("finds tags by include and exclude, and no companions", async () => {
    const tags = ["v1", "v2-rc1", "v2", "latest", `sha256-${HEX}.sig`, `sha256-${HEX}`];
    const registry = fakeRegistry({ "team/api": tags });
    expect(await texts(listRepository(registry, repository, {}))).toEqual([
      `${HOST}/team/api:v1`,
      `${HOST}/team/api:v2-rc1`,
      `${HOST}/team/api:v2`,
      `${HOST}/team/api:latest`,
    ]);
    const filter = { include: ["v*"], exclude: ["*-rc*"] };
    expect(await texts(listRepository(registry, repository, filter))).toEqual([
      `${HOST}/team/api:v1`,
      `${HOST}/team/api:v2`,
    ]);
  });

  test("is a fault where tags cannot be listed, also in the middle", async () => {
    const denied = new CosignError("REGISTRY_DENIED", "no");
    expect(
      await texts(listRepository(fakeRegistry({ "team/api": denied }), repository, {})),
    ).toEqual([`${HOST}/team/api: REGISTRY_DENIED`]);
    const half = fakeRegistry({ "team/api": ["v1", new CosignError("REGISTRY_TIMEOUT", "late")] });
    expect(await texts(listRepository(half, repository, {}))).toEqual([
      `${HOST}/team/api:v1`,
      `${HOST}/team/api: REGISTRY_TIMEOUT`,
    ]);
  });

  test("is a fault where there is no such repository", async () => {
    expect(await texts(listRepository(fakeRegistry({}), repository, {}))).toEqual([
      `${HOST}/team/api: IMAGE_NOT_FOUND`,
    ]);
  });

  test("takes no name from the registry that is no tag", async () => {
    const registry = fakeRegistry({ "team/api": ["v1", "../../evil", "v2"] });
    expect(await texts(listRepository(registry, repository, {}))).toEqual([
      `${HOST}/team/api:v1`,
      `${HOST}/team/api:../../evil: REFERENCE_INVALID`,
      `${HOST}/team/api:v2`,
    ]);
  });

  test("throws when it was told to end", async () => {
    const over = AbortSignal.abort(new CosignError("CANCELLED", "enough"));
    expect(
      texts(listRepository(fakeRegistry({ "team/api": ["v1"] }), repository, {}, over)),
    ).rejects.toThrow("enough");
  });
});

describe("listRegistry()", () => {
  test("lists the repositories of the catalog in its order", async () => {
    const registry = fakeRegistry({
      ...Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`team/r${i}`, ["a", "b"]])),
      other: ["a"],
    });
    const listed = await texts(
      listRegistry(registry, HOST, { include: ["team/*"] }, { include: ["b"] }),
    );
    expect(listed).toEqual(Array.from({ length: 25 }, (_, i) => `${HOST}/team/r${i}:b`));
    expect(registry.mostAtOnce()).toBeGreaterThan(1);
    expect(registry.mostAtOnce()).toBeLessThanOrEqual(9);
  });

  test("goes on past a repository that cannot be listed", async () => {
    const registry = fakeRegistry({
      aa: ["1"],
      bb: new CosignError("REGISTRY_DENIED", "no"),
      cc: ["1"],
    });
    expect(await texts(listRegistry(registry, HOST, {}, {}))).toEqual([
      `${HOST}/aa:1`,
      `${HOST}/bb: REGISTRY_DENIED`,
      `${HOST}/cc:1`,
    ]);
  });

  test("is a fault where the catalog cannot be listed, also in the middle", async () => {
    const registry = fakeRegistry({ aa: ["1"] }, new CosignError("REGISTRY_UNSUPPORTED", "no"));
    expect(await texts(listRegistry(registry, HOST, {}, {}))).toEqual([
      `${HOST}/aa:1`,
      `${HOST}: REGISTRY_UNSUPPORTED`,
    ]);
  });

  test("takes no name from the catalog that is no repository", async () => {
    const registry = fakeRegistry({ "../evil": ["1"], x: ["1"], aa: ["1"] });
    expect(await texts(listRegistry(registry, HOST, {}, {}))).toEqual([
      `${HOST}/../evil: REFERENCE_INVALID`,
      `${HOST}/x: REFERENCE_INVALID`, // go-containerregistry's references have two characters at least
      `${HOST}/aa:1`,
    ]);
  });

  test("asks for nothing more when its consumer has gone", async () => {
    const registry = fakeRegistry(
      Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`r${i}`, ["a"]])),
    );
    for await (const one of listRegistry(registry, HOST, {}, {})) {
      expect(one.kind).toBe("found");
      break;
    }
    expect(registry.asked()).toBeLessThanOrEqual(10);
  });
});
