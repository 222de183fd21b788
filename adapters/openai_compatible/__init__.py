"""Models of servers that speak OpenAI's protocol: vLLM, llama.cpp, LM Studio, and others. See docs/openai.md."""
