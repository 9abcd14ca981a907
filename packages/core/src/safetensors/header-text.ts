// Part of every browser and of Node, but in neither the ES library nor this package's types.
declare const TextEncoder: new () => { encode(text: string): Uint8Array };
declare const TextDecoder: new (
  encoding: 'utf-8',
  options: { fatal: boolean; ignoreBOM: boolean },
) => { decode(bytes: Uint8Array): string };

export function encodeUtf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** @throws TypeError when the bytes are not valid UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

/**
 * The first key that occurs twice in one object of a valid JSON text, or `undefined`.
 * JSON.parse silently keeps the last of two; the safetensors format forbids the second.
 * @param json text that JSON.parse accepts.
 */
export function firstDuplicateKey(json: string): string | undefined {
  const keysOfOpenObjects: (Set<string> | undefined)[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '{') keysOfOpenObjects.push(new Set());
    else if (character === '[') keysOfOpenObjects.push(undefined);
    else if (character === '}' || character === ']') keysOfOpenObjects.pop();
    else if (character === '"') {
      const end = endOfString(json, at);
      const keys = keysOfOpenObjects.at(-1);
      if (keys !== undefined && isFollowedByColon(json, end)) {
        const key: string = JSON.parse(json.slice(at, end));
        if (keys.has(key)) return key;
        keys.add(key);
      }
      at = end - 1;
    }
  }
  return undefined;
}

/** The index after the closing quote of the string that opens at `start`. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

function isFollowedByColon(json: string, from: number): boolean {
  let at = from;
  while (json[at] === ' ' || json[at] === '\n' || json[at] === '\r' || json[at] === '\t') at++;
  return json[at] === ':';
}
