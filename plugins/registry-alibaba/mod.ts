import * as v from "valibot";
import {
  CosignError,
  type PluginContext,
  type PluginModule,
  type RegistryAccess,
  type RegistryLogin,
} from "../../engine/plugin_host/contract.ts";
import { findKeys, refused } from "./credentials.ts";
import { type AlibabaKeys, type AlibabaRequest, canonicalQuery, signRequest } from "./signature.ts";

/** A registry: everybody's of a region, or an instance of one's own. */
interface AlibabaName {
  readonly region: string;
  readonly instance?: string;
}

const HOST =
  /^(?:(?<instance>[a-z0-9][a-z0-9-]*)-)?registry(?:-intl)?(?:-vpc)?(?:-internal)?\.(?<region>[a-z]{2}-[a-z0-9-]+)\.(?<cr>cr\.)?aliyuncs\.com$/;
const MARGIN_MS = 60_000;
const instancesSchema = v.looseObject({
  Instances: v.array(v.looseObject({ InstanceId: v.string(), InstanceName: v.string() })),
});
const instanceTokenSchema = v.looseObject({
  TempUsername: v.string(),
  AuthorizationToken: v.string(),
  ExpireTime: v.number(),
});
const tokenSchema = v.looseObject({
  data: v.looseObject({
    tempUserName: v.string(),
    authorizationToken: v.string(),
    expireDate: v.number(),
  }),
});

/** What a host names; nothing when it is no registry of Alibaba Cloud's. */
export function parseAlibabaHost(host: string): AlibabaName | undefined {
  const { instance, region, cr } = HOST.exec(host)?.groups ?? {};
  if (region === undefined || (instance !== undefined) !== (cr !== undefined)) return undefined;
  return { region, ...(instance === undefined ? {} : { instance }) };
}

/** Logs in to the Container Registry of Alibaba Cloud by `GetAuthorizationToken`. */
const alibaba: RegistryLogin = {
  logIn: async (host, context) => {
    const name = parseAlibabaHost(host);
    if (name === undefined) return undefined;
    const keys = await findKeys(name.region, context);
    if (keys === undefined) return undefined;
    return name.instance === undefined
      ? await askRegion(name.region, keys, context)
      : await askInstance(name.region, name.instance, keys, context);
  },
};

async function askRegion(
  region: string,
  keys: AlibabaKeys,
  context: PluginContext,
): Promise<RegistryAccess> {
  const common = { action: "GetAuthorizationToken", version: "2016-06-07", query: {} } as const;
  const request = { method: "GET", host: `cr.${region}.aliyuncs.com`, path: "/tokens" } as const;
  const { data } = await ask({ ...common, ...request }, tokenSchema, keys, context);
  return accessOf(data.tempUserName, data.authorizationToken, data.expireDate, context);
}

async function askInstance(
  region: string,
  instance: string,
  keys: AlibabaKeys,
  context: PluginContext,
): Promise<RegistryAccess> {
  const request = { method: "POST", host: `cr.${region}.aliyuncs.com`, path: "/" } as const;
  const call = { ...request, version: "2018-12-01" };
  const { Instances: instances } = await ask(
    { ...call, action: "ListInstance", query: { InstanceName: instance } },
    instancesSchema,
    keys,
    context,
  );
  const found = instances.find(({ InstanceName }) => InstanceName === instance);
  if (found === undefined) {
    throw new CosignError("KEY_NOT_FOUND", `The account has no instance "${instance}"`);
  }
  const query = { InstanceId: found.InstanceId };
  const token = await ask(
    { ...call, action: "GetAuthorizationToken", query },
    instanceTokenSchema,
    keys,
    context,
  );
  const { TempUsername, AuthorizationToken, ExpireTime } = token;
  return accessOf(TempUsername, AuthorizationToken, ExpireTime, context);
}

async function ask<T>(
  request: AlibabaRequest,
  schema: v.GenericSchema<unknown, T>,
  keys: AlibabaKeys,
  context: PluginContext,
): Promise<T> {
  const date = `${new Date().toISOString().slice(0, 19)}Z`;
  const headers = signRequest(request, keys, date, crypto.randomUUID());
  const query = canonicalQuery(request.query);
  const url = `https://${request.host}${request.path}${query === "" ? "" : `?${query}`}`;
  const response = await context.fetch(url, {
    method: request.method,
    headers: { accept: "application/json", ...headers },
    repeatable: false, // a nonce is good once
  });
  const text = await response.text();
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  if (response.ok && parsed.success) return parsed.output;
  throw refused(`${request.action} is refused`, response.status, text);
}

/** @param expiresAtMs In milliseconds since the epoch. */
function accessOf(
  username: string,
  password: string,
  expiresAtMs: number,
  context: PluginContext,
): RegistryAccess {
  context.secret(password);
  return {
    credentials: { kind: "basic", username, password },
    expiresAtMs: expiresAtMs - MARGIN_MS,
  };
}

/** The registries of Alibaba Cloud. */
export const plugin: PluginModule = { registries: alibaba };
