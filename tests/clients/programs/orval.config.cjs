module.exports = {
  gateway: {
    input: './openapi.json',
    output: {
      target: './orval/gateway.ts',
      client: 'fetch',
      baseUrl: process.env.GATEWAY_URL,
    },
  },
};
