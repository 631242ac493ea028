import type { KMSClient } from "@aws-sdk/client-kms";
import type { PluginContext } from "../../engine/plugin_host/contract.ts";
import type { AwsKeyName } from "./key_uri.ts";
import { sdkTransport } from "./transport.ts";

/** The SDK, and a client of it for the region and the endpoint of one key. */
export interface Kms {
  readonly sdk: typeof import("@aws-sdk/client-kms");
  readonly client: KMSClient;
}

/**
 * Makes a client with the SDK's own chain of credentials (environment, profiles, SSO, web identity,
 * processes, container and instance metadata), which it goes through at the first request.
 */
export async function openKms(name: AwsKeyName, context: PluginContext): Promise<Kms> {
  const sdk = await import("@aws-sdk/client-kms");
  const { AWS_REGION, AWS_DEFAULT_REGION } = context.env;
  // The SDK for JavaScript does not know AWS_DEFAULT_REGION, but that of Go does, and so does cosign.
  const region = name.region ?? (AWS_REGION || AWS_DEFAULT_REGION);
  const silent = (): void => {};
  const client = new sdk.KMSClient({
    requestHandler: sdkTransport(context),
    maxAttempts: 1,
    logger: {
      trace: silent,
      debug: silent,
      info: silent,
      error: silent,
      warn: (text: unknown) => context.warn(String(text).replaceAll(/\s+/g, " ")),
    },
    ...(region ? { region } : {}),
    ...(name.endpoint === undefined ? {} : { endpoint: `https://${name.endpoint}` }),
  });
  return { sdk, client };
}
