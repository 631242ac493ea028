import crypto, { type KeyObject } from "node:crypto";

/**
 * Lets `verify()` of `node:crypto` take SHA-256 for ECDSA where no digest is named, as Node and Bun do:
 * Deno refuses that, and TUF's library relies on it. Nothing to do in Bun.
 */
export function allowUnnamedDigests(): void {
  if (process.versions["bun"] !== undefined || isAllowed) return;
  isAllowed = true;
  const { verify } = crypto;
  const named = (algorithm: unknown, data: unknown, key: unknown, ...rest: readonly unknown[]) =>
    Reflect.apply(verify, crypto, [
      algorithm ?? (isEcdsa(key) ? "sha256" : algorithm),
      data,
      key,
      ...rest,
    ]);
  Reflect.set(crypto, "verify", named);
}

let isAllowed = false;

function isEcdsa(key: unknown): boolean {
  const bare = (key as { key?: unknown }).key ?? key;
  return (bare as Partial<KeyObject>).asymmetricKeyType === "ec";
}
