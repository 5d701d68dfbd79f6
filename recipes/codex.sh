# OpenAI's codex, with the configuration of codex.toml and the key of OPENAI_API_KEY.
mkdir -p target/codex
cp recipes/codex.toml target/codex/config.toml
CODEX_HOME=$PWD/target/codex codex exec --skip-git-repo-check -C target/codex Hello < /dev/null 2>&1
# prints: You said:
