"""The example services, written as any service is; `cara-gateway demo` runs them in a process of their own."""
