/** A file's content for a member of JSON. */
export async function toBase64(file: Blob): Promise<string> {
  const content = new Uint8Array(await file.arrayBuffer());
  let text = '';
  for (let at = 0; at < content.length; at += 0x8000) {
    text += String.fromCharCode(...content.subarray(at, at + 0x8000));
  }
  return btoa(text);
}
