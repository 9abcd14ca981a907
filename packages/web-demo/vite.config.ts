import { defineConfig } from 'vite';

/** Addresses are relative, so that the built page works in any folder of a web server. */
export default defineConfig({ base: './' });
