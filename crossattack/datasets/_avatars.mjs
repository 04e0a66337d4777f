// Reads {"styles": [...], "avatars": [[style, options], ...]} from stdin; writes {"choices": {style: {part: [...]}}, "svgs": [...]}.
import { readFileSync } from 'node:fs';
import { createAvatar } from '@dicebear/core';

const wanted = JSON.parse(readFileSync(0, 'utf8'));
const drawn = {}, choices = {};
for (const style of wanted.styles) {
  drawn[style] = await import(`@dicebear/${style}`);
  const parts = Object.entries(drawn[style].schema.properties).filter(([, part]) => part.type === 'array');
  choices[style] = Object.fromEntries(parts.map(([name, part]) => [name, part.items.enum ?? part.default]));
}
const svgs = wanted.avatars.map(([style, options]) => createAvatar(drawn[style], options).toString());
process.stdout.write(JSON.stringify({ choices, svgs }));
