import type { IdentityToken } from "../../../../engine/transparency/identity_token.ts";
import type {
  Clock,
  IdentityContext,
  IdentityOptions,
  Person,
} from "../../../../engine/transparency/oidc/options.ts";
import { type IdentitySource, openIdentity } from "../../../../engine/transparency/oidc.ts";
import { testContext } from "../_context.ts";

/** A person of a test, and what he was told. */
export interface TestPerson extends Person {
  readonly told: () => string;
}

/** Somebody at a terminal, whose browser does what `browse` does. */
export function testPerson(changes: Partial<Person> = {}): TestPerson {
  const texts: string[] = [];
  return {
    stdinKind: () => "terminal",
    promptLine: (question) => {
      texts.push(question);
      return Promise.resolve(undefined);
    },
    readStdin: () => Promise.resolve(new Uint8Array()),
    tell: (text) => {
      texts.push(text);
    },
    openUrl: browse(),
    told: () => texts.join(""),
    ...changes,
  };
}

/**
 * A browser: goes where it is sent, all the way.
 *
 * @param onTheWay Changes where it is sent back to; it may go elsewhere before.
 */
export function browse(
  onTheWay: (back: URL) => URL | Promise<URL> = (back) => back,
): (url: string) => Promise<void> {
  return async (url) => {
    const answer = await fetch(url, { redirect: "manual" });
    const location = answer.headers.get("location");
    if (location === null) return;
    const back = await onTheWay(new URL(location));
    // The page is only there when the log-in has ended: nobody waits for it.
    pages.push(fetch(back).then(async (page) => `${page.status} ${await page.text()}`));
  };
}

/** What browsers were shown at the end. */
export const pages: Promise<string>[] = [];

/** A clock of a test. */
export interface TestClock extends Clock {
  /** How long everybody has waited, in seconds. */
  readonly waits: readonly number[];
  readonly pass: (seconds: number) => void;
}

/** A clock that goes on only when somebody waits, or it is told to. */
export function testClock(): TestClock {
  let nowMs = Date.now();
  const waits: number[] = [];
  return {
    waits,
    pass: (seconds: number) => {
      nowMs += seconds * 1000;
    },
    now: () => new Date(nowMs),
    sleep: (ms: number) => {
      nowMs += ms;
      waits.push(ms / 1000);
      return Promise.resolve();
    },
  };
}

/** Opens a source of identities that logs in at `issuer`. Whoever opens it disposes of it. */
export async function openTestIdentity(
  issuer: string,
  options: Partial<IdentityOptions> = {},
  context: Partial<IdentityContext> = {},
): Promise<IdentitySource> {
  return await openIdentity(
    { issuer, clientId: "sigstore", disableAmbientProviders: true, ...options },
    { services: testContext(), env: {}, person: testPerson(), ...context },
  );
}

/** One token of `issuer`, by whatever way the options say. */
export async function logIn(
  issuer: string,
  options: Partial<IdentityOptions> = {},
  context: Partial<IdentityContext> = {},
): Promise<IdentityToken> {
  await using source = await openTestIdentity(issuer, options, context);
  return await source.token(new AbortController().signal);
}
