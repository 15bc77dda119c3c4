/** An object that writes until its program is killed: `node live-object.js <bundle> <place> <backend> <first>`. */
import { ROUND } from './lives.js';
import { ask, objectsIn, workerIn } from './workerd.js';

const [folder, place, backend, first] = process.argv.slice(2);
const miniflare = workerIn(folder, objectsIn(place));
for (let number = Number(first); ; number += ROUND) {
  const acknowledged = await ask(miniflare, backend, 'live', 'live', number);
  // In one piece: half a round would say of messages that they are not as far as they are.
  process.stdout.write(acknowledged.map((step) => `${step.join(' ')}\n`).join(''));
}
