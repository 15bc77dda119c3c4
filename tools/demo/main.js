// Serves the demo on this machine. `node tools/demo/main.js [PORT]`
import { serve } from './server.js';

const port = Number(process.argv[2] ?? 8080);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error(`usage: node tools/demo/main.js [PORT]; ${process.argv[2]} is no port`);
  process.exit(2);
}
try {
  const { url, smtp, close } = await serve(port);
  console.log(`The page is at ${url}; it posts to a relay that speaks SMTP to 127.0.0.1:${smtp} (Ctrl+C ends both)`);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void close());
} catch (error) {
  const { code } = /** @type {{ code?: string }} */ (error);
  console.error(code === 'EADDRINUSE'
    ? `Port ${port} is in use. Choose another one: make demo PORT=${port + 1}`
    : `The page could not be served: ${error}`);
  process.exit(1);
}
