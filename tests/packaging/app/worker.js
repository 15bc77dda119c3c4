import { use } from './use.js';

use('worker').then(postMessage, (error) => postMessage(String(error)));
