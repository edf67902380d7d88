/* What the command line needs to run a registry in its own process. */

export { parseConfig, type Config, type ServerOptions } from './config.ts';
export { startServer, type RunningServer } from './main.ts';
