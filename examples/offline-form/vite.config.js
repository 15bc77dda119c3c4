import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

export default {
  root: path('.'),
  build: {
    rollupOptions: {
      input: { page: path('index.html'), sw: path('sw.js') },
      output: { entryFileNames: '[name].js' }, // a service worker keeps its name
    },
  },
};
