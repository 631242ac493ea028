import { utf8 } from "../model/bytes.ts";
import type { GoValue } from "./go_value.ts";

/** What Go does not escape in a path, and in a fragment. */
const PLAIN = {
  path: /[A-Za-z0-9$&+,\-./:;=@_~]/,
  fragment: /[A-Za-z0-9!$&()*+,\-./:;=?@_~]/,
} as const;

/** A URI as Go's `url.URL`. @throws {SyntaxError} when Go would not read it. */
export function goUrl(uri: string): GoValue {
  const [withoutFragment, rawFragment] = cut(uri, "#");
  const [, scheme = "", afterScheme = ""] =
    /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(.*)$/s.exec(withoutFragment) ?? [];
  const isForced = afterScheme.endsWith("?") && afterScheme.indexOf("?") === afterScheme.length - 1;
  const [rest, rawQuery] = cut(afterScheme, "?");
  const isOpaque = scheme !== "" && !rest.startsWith("/");
  const hasAuthority = rest.startsWith("//") && (scheme !== "" || !rest.startsWith("///"));
  const [, authority = "", rawPath = ""] = hasAuthority
    ? (/^\/\/([^/]*)(.*)$/s.exec(rest) ?? [])
    : ["", "", isOpaque ? "" : rest];
  const at = authority.lastIndexOf("@");
  const path = unescaped(rawPath);
  const fragment = unescaped(rawFragment);
  return {
    Scheme: scheme.toLowerCase(),
    Opaque: isOpaque ? rest : "",
    User: at === -1 ? null : {},
    Host: unescaped(authority.slice(at + 1)),
    Path: path,
    Fragment: fragment,
    RawQuery: rawQuery,
    RawPath: escaped(path, PLAIN.path) === rawPath ? "" : rawPath,
    RawFragment: escaped(fragment, PLAIN.fragment) === rawFragment ? "" : rawFragment,
    ForceQuery: isForced,
    OmitHost: scheme !== "" && !hasAuthority && rest.startsWith("/"),
  };
}

function cut(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function unescaped(text: string): string {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) throw new SyntaxError("a URI with an invalid escape");
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new SyntaxError("a URI with escapes that are no UTF-8", { cause });
  }
}

function escaped(text: string, plain: RegExp): string {
  return Array.from(utf8(text), (byte) => {
    const character = String.fromCharCode(byte);
    if (plain.test(character)) return character;
    return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
