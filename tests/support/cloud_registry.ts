import { openListing } from "../../engine/cli/open_listing.ts";
import { digestOf } from "../../engine/crypto/hash.ts";
import { Budgets, createBudgetMemory } from "../../engine/io/budget.ts";
import { LocalShared, type Shared } from "../../engine/io/shared.ts";
import { utf8 } from "../../engine/model/bytes.ts";
import type { Digest } from "../../engine/model/digest.ts";
import { parsePluginManifest } from "../../engine/plugin_host/manifest.ts";
import { makePluginTable } from "../../engine/plugin_host/table.ts";
import type { RegistryOptions } from "../../engine/registry/session.ts";
import { LINKS, MANIFEST } from "../../plugins/builtin.ts";
import type { FarHost } from "./far_hosts.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const CONTENT = utf8(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] }));
/** The one manifest that is in every repository of a {@link cloudRegistry}. */
export const DIGEST: Digest = digestOf(CONTENT);

/** Whom a registry lets in: `USER:PASSWORD`, or an OAuth 2 refresh token. */
export interface Admitted {
  readonly pair?: (pair: string) => boolean;
  readonly refreshToken?: string;
}

/** A cloud's registry, with one manifest, that wants to know who asks. */
export interface CloudRegistry {
  readonly host: FarHost;
  /** The `Authorization` of every request to it and to its token server; empty for none. */
  readonly shown: readonly string[];
}

/**
 * A registry that asks for a Bearer token of its own token server (distribution's "Token Authentication
 * Specification"), or for Basic credentials as ECR does.
 */
export function cloudRegistry(
  name: string,
  scheme: "bearer" | "basic",
  admitted: Admitted,
): CloudRegistry {
  const shown: string[] = [];
  const isPair = (authorization: string): boolean => {
    const base64 = /^Basic (.+)$/.exec(authorization)?.[1];
    return (
      base64 !== undefined && admitted.pair?.(Buffer.from(base64, "base64").toString()) === true
    );
  };
  const refuse = (): Response =>
    new Response('{"errors":[{"code":"UNAUTHORIZED"}]}', {
      status: 401,
      headers: {
        "www-authenticate":
          scheme === "basic"
            ? `Basic realm="https://${name}/",service="ecr.amazonaws.com"`
            : `Bearer realm="https://${name}/oauth2/token",service="${name}"`,
      },
    });
  return {
    shown,
    host: async (request) => {
      const authorization = request.headers.get("authorization") ?? "";
      shown.push(authorization);
      const { pathname } = new URL(request.url);
      if (pathname === "/oauth2/token") {
        const form = new URLSearchParams(await request.text());
        const isKnown =
          request.method === "POST"
            ? form.get("grant_type") === "refresh_token" &&
              form.get("refresh_token") === admitted.refreshToken
            : isPair(authorization);
        return isKnown
          ? Response.json({ token: "of-the-registry", access_token: "of-the-registry" })
          : Response.json({ errors: [{ code: "UNAUTHORIZED" }] }, { status: 401 });
      }
      const isIn =
        scheme === "basic" ? isPair(authorization) : authorization === "Bearer of-the-registry";
      if (!isIn) return refuse();
      if (!pathname.endsWith(`/manifests/${DIGEST}`)) {
        return Response.json({ errors: [{ code: "MANIFEST_UNKNOWN" }] }, { status: 404 });
      }
      return new Response(request.method === "HEAD" ? null : CONTENT, {
        headers: {
          "content-type": INDEX,
          "content-length": String(CONTENT.length),
          "docker-content-digest": DIGEST,
        },
      });
    },
  };
}

/** Asks a registry for its manifest, as a command with `--k8s-keychain` does (and one without). */
export async function readFrom(
  registry: string,
  env: Readonly<Record<string, string | undefined>>,
  options: {
    readonly isAsked?: boolean;
    readonly shared?: Shared;
    readonly more?: Partial<RegistryOptions>;
  } = {},
): Promise<string | undefined> {
  const { isAsked = true, shared = new LocalShared(), more = {} } = options;
  const listing = openListing(
    {
      allowHttp: false,
      allowInsecure: false,
      userAgent: "test",
      attempts: 1,
      ...(isAsked ? { cloudLogin: true } : {}),
      ...more,
    },
    {
      env: { HOME: "/nonexistent", ...env },
      plugins: async () => makePluginTable(parsePluginManifest(MANIFEST), LINKS),
    },
    { shared, budgets: new Budgets(createBudgetMemory(), 1) },
  );
  const store = listing.repository({ registry, repository: "team/app" });
  return (await store.manifest(DIGEST))?.descriptor.digest;
}
