#!/usr/bin/env node
import { main } from '../dist/pretrain/main.js';

await main(process.argv.slice(2));
