import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { parseTimestamp } from "../../../engine/formats/timestamp.ts";
import { parseTrustedRoot } from "../../../engine/formats/trusted_root_json.ts";
import { utf8 } from "../../../engine/model/bytes.ts";
import { requestTimestamp } from "../../../engine/transparency/timestamp_authority.ts";
import { verifyTimestamp } from "../../../engine/verify/timestamp.ts";
import { type Sigstore, startSigstore } from "../../support/sigstore_server.ts";
import { testContext } from "./_context.ts";

const MESSAGE = utf8("a signature");
let sigstore: Sigstore;
beforeAll(async () => {
  sigstore = await startSigstore();
});
afterAll(() => sigstore.close());
afterEach(() => {
  sigstore.heal();
  sigstore.settings.timestamp = {};
});
const ask = () => requestTimestamp(MESSAGE, sigstore.tsaUrl, testContext());

describe("requestTimestamp()", () => {
  test("gets a timestamp of the message that the authority's root vouches for", async () => {
    const { timestampAuthorities } = parseTrustedRoot(utf8(sigstore.trustedRootJson));
    const { time } = verifyTimestamp(await ask(), MESSAGE, timestampAuthorities);
    expect(Math.abs(time.getTime() - Date.now())).toBeLessThan(60_000);
  });

  test("asks with another nonce each time, and for the certificate", async () => {
    const [one, two] = (await Promise.all([ask(), ask()])).map(parseTimestamp);
    expect(one?.nonce?.length).toBe(8);
    expect(one?.nonce).not.toEqual(two?.nonce);
    expect(one?.certificates.length).toBe(1);
  });

  test.each([
    ["another nonce", { nonce: Uint8Array.of(1, 2, 3) }],
    ["no nonce", { withoutNonce: true }],
    ["the imprint of something else", { imprint: new Uint8Array(32) }],
    ["content of another type", { contentType: "2a864886f70d010701" }],
  ])("throws SERVICE_PROTOCOL for an answer with %s", async (_, changes) => {
    sigstore.settings.timestamp = changes;
    await expect(ask()).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test("throws SERVICE_PROTOCOL for an answer that was given before", async () => {
    const old = await ask();
    sigstore.fail("tsa", { kind: "answer", change: () => new Response(new Uint8Array(old)) });
    await expect(ask()).rejects.toMatchObject({
      code: "SERVICE_PROTOCOL",
      message: expect.stringContaining("nonce"),
    });
  });

  test("throws TIMESTAMP_REFUSED with the authority's status", async () => {
    sigstore.settings.timestamp = { status: 2 };
    await expect(ask()).rejects.toMatchObject({
      code: "TIMESTAMP_REFUSED",
      message: expect.stringContaining("status 2"),
    });
  });

  test("throws TIMESTAMP_REFUSED with a hint for a URL without its path", async () => {
    const url = new URL("/", sigstore.tsaUrl).href;
    await expect(requestTimestamp(MESSAGE, url, testContext())).rejects.toMatchObject({
      code: "TIMESTAMP_REFUSED",
      hint: expect.stringContaining("/api/v1/timestamp"),
    });
  });

  test.each([
    ["empty", ""],
    ["a page", "<html></html>"],
  ])("throws SERVICE_PROTOCOL for an answer that is %s", async (_, body) => {
    sigstore.fail("tsa", { kind: "answer", change: () => new Response(body) });
    await expect(ask()).rejects.toMatchObject({ code: "SERVICE_PROTOCOL" });
  });

  test("throws LIMIT_EXCEEDED for an answer that is too long", async () => {
    const long = new Uint8Array(70_000);
    sigstore.fail("tsa", { kind: "answer", change: () => new Response(long) });
    await expect(ask()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});
