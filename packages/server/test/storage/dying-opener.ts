import { openStoreFile } from '../../src/storage/sqlite/schema.ts';
import { openDatabase, type SqliteAccess, type SqliteDatabase } from '../../src/storage/sqlite-module.ts';

/*
 * A process that dies while it opens a store: `dying-opener.js FILE CALLS` is killed right after so many calls of SQLite, and
 * ends by itself, with 0, when opening takes fewer.
 */

const [file = '', calls = '1'] = process.argv.slice(2);
let left = Number(calls);
openStoreFile(file, 'write', dyingConnection).close();

function dyingConnection(path: string, access: SqliteAccess): SqliteDatabase {
  const database = openDatabase(path, access);
  return {
    prepare: (sql) => database.prepare(sql),
    close: () => database.close(),
    exec(sql) {
      database.exec(sql);
      if (--left === 0) process.kill(process.pid, 'SIGKILL');
    },
  };
}
