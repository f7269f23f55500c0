// What a suite is given: the daemon's address, and the files that it sends.
import { readFileSync } from "node:fs";
import { join } from "node:path";

const { SENSES_KEY, SENSES_URL, SENSES_MEDIA, SENSES_SCRIPTED_ANSWER } = process.env;

export const BASE_URL = `${SENSES_URL}/v1`;
export const KEY = SENSES_KEY;
export const SCRIPTED_ANSWER = SENSES_SCRIPTED_ANSWER; // what the model `scripted` answers to anything
export const SPOKEN = "Hello world. How are you today?"; // what is said in the recording
export const file = (name) => readFileSync(join(SENSES_MEDIA, name));
export const dataUrl = (name) => `data:image/${name.split(".")[1]};base64,${file(name).toString("base64")}`;

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}
