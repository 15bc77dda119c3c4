'use client';
import { useEffect, useState } from 'react';
import * as api from 'slimta-queue-dict';
import { indexedDBHost } from 'slimta-queue-dict/indexeddb';
import { exercise } from '../exercise.js';

// Made on the server, too, when it renders this page.
const outbox = new api.AsyncDictStorage(indexedDBHost('outbox'));

export default function Page() {
  const [found, setFound] = useState('');
  useEffect(() => {
    const use = async () => {
      await outbox.write({ sender: 'page', recipients: ['a@example.com'] }, new Date());
      return { exercised: await exercise(api), info: await outbox.getInfo() };
    };
    use().then((all) => setFound(JSON.stringify(all)), (error) => setFound(String(error)));
  }, []);
  return <output>{found}</output>;
}
