import type { Transport } from "./connection.ts";
import { bunTransport } from "./runtime_bun.ts";
import { denoTransport } from "./runtime_deno.ts";

/** The transport of the runtime that we run on. */
export const transport: Transport =
  process.versions["bun"] === undefined ? denoTransport : bunTransport;
