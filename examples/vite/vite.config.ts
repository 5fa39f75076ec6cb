import { defineConfig } from 'vite';

// Without `changeOrigin`: the gateway compares Origin with Host.
const gateway = process.env.GATEWAY ?? 'http://127.0.0.1:8080';

export default defineConfig({
  server: { proxy: { '/api': gateway, '/ws': { target: gateway, ws: true } } },
  build: { target: 'es2022' },
});
