import * as v from "valibot";
import {
  CosignError,
  type PluginContext,
  type RegistryAccess,
  type RegistryLogin,
} from "../../engine/plugin_host/contract.ts";
import { refusal } from "./refusal.ts";
import { sdkTransport } from "./transport.ts";

/** A private registry: of an account, in a region. */
interface EcrName {
  readonly account: string;
  readonly region: string;
  readonly isFips: boolean;
}

interface EcrToken {
  readonly authorizationToken?: string | undefined;
  readonly expiresAt?: Date | undefined;
}

const PUBLIC_HOST = "public.ecr.aws";
/** Where tokens for the public registry are made, wherever one is. */
const PUBLIC_REGION = "us-east-1";
const PRIVATE_HOST =
  /^(?<account>\d{12})\.dkr[.-]ecr(?<fips>-fips)?\.(?<region>[a-z]{2,4}(?:-[a-z]+)+-\d)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)$/;
/** Tokens hold twelve hours; a request under way must not outlive one. */
const MARGIN_MS = 5 * 60_000;
const pairSchema = v.pipe(v.string(), v.base64());

/** Logs in to ECR by `GetAuthorizationToken`, with the whole chain of credentials of AWS's own SDK. */
export const ecr: RegistryLogin = {
  logIn: async (host, context) => {
    const name = parseEcrHost(host);
    if (name === undefined) return undefined;
    const isPublic = name === PUBLIC_HOST;
    const what = `get a token of "${host}"`;
    try {
      const token = isPublic ? await askPublic(context) : await askPrivate(name, context);
      return accessOf(token, what, context);
    } catch (error) {
      if (isNobody(error)) return undefined;
      const service = isPublic ? "ecr-public" : "ecr";
      throw refusal(error, what, `${service}:GetAuthorizationToken`);
    }
  },
};

/** What a host names; nothing when it is not of ECR. Ports have no place in such names. */
export function parseEcrHost(host: string): EcrName | typeof PUBLIC_HOST | undefined {
  if (host === PUBLIC_HOST) return PUBLIC_HOST;
  const { account, region, fips } = PRIVATE_HOST.exec(host)?.groups ?? {};
  if (account === undefined || region === undefined) return undefined;
  return { account, region, isFips: fips !== undefined };
}

async function askPrivate(
  { account, region, isFips }: EcrName,
  context: PluginContext,
): Promise<EcrToken | undefined> {
  const { ECRClient, GetAuthorizationTokenCommand } = await import("@aws-sdk/client-ecr");
  const client = new ECRClient({
    region,
    requestHandler: sdkTransport(context),
    maxAttempts: 1,
    ...(isFips ? { useFipsEndpoint: true } : {}),
  });
  const command = new GetAuthorizationTokenCommand({ registryIds: [account] });
  const { authorizationData } = await client.send(command, { abortSignal: context.signal });
  return authorizationData?.[0];
}

async function askPublic(context: PluginContext): Promise<EcrToken | undefined> {
  const sdk = await import("@aws-sdk/client-ecr-public");
  const requestHandler = sdkTransport(context);
  const client = new sdk.ECRPUBLICClient({ region: PUBLIC_REGION, requestHandler, maxAttempts: 1 });
  const command = new sdk.GetAuthorizationTokenCommand({});
  const { authorizationData } = await client.send(command, { abortSignal: context.signal });
  return authorizationData;
}

/** @param token Base64 of `AWS:PASSWORD`. */
function accessOf(
  token: EcrToken | undefined,
  what: string,
  context: PluginContext,
): RegistryAccess {
  const parsed = v.safeParse(pairSchema, token?.authorizationToken);
  const pair = parsed.success ? new TextDecoder().decode(Uint8Array.fromBase64(parsed.output)) : "";
  const [, username, password] = /^([^:]+):(.+)$/s.exec(pair) ?? [];
  if (username === undefined || password === undefined) {
    throw new CosignError("KEY_SERVICE_PROTOCOL", `Cannot ${what}: the answer holds none`);
  }
  context.secret(password);
  const expiresAtMs = (token?.expiresAt?.getTime() ?? Date.now()) - MARGIN_MS;
  return { credentials: { kind: "basic", username, password }, expiresAtMs };
}

/** Whether there are no credentials anywhere, as the SDK says it. */
function isNobody(error: unknown): boolean {
  return (
    error instanceof Error &&
    error.name === "CredentialsProviderError" &&
    error.message.startsWith("Could not load credentials from any providers")
  );
}
