"""What the pages say, in scripts that the reader knows, and in Korean, which it does not."""

from tests.screenshots.pages import Words

CODE = (
    "from collections.abc import Iterator",
    "",
    "MAX_RETRIES = 5",
    "",
    "def read_lines(path: Path) -> Iterator[str]:",
    '    """Yield the lines of a file, without their ends."""',
    '    with path.open(encoding="utf-8") as file:',
    "        for number, line in enumerate(file, start=1):",
    "            if not line.strip():",
    "                continue",
    '            yield f"{number}: {line.rstrip()}"',
    "",
    "class RetryPolicy:",
    "    def __init__(self, limit: int = MAX_RETRIES) -> None:",
    "        self.limit = limit",
    "        self.delays = [0.5 * 2**n for n in range(limit)]",
    "",
    "    def should_retry(self, attempt: int) -> bool:",
    "        return attempt < self.limit",
)
SHELL = (
    "user@host:~/project$ git status",
    "On branch main",
    "Your branch is up to date with 'origin/main'.",
    "user@host:~/project$ pytest -q tests/test_app.py",
    "collected 48 items",
    "FAILED tests/test_app.py::test_login - AssertionError: 401 != 200",
    "1 failed, 47 passed in 3.21s",
    "user@host:~/project$ npm run build",
    "dist/index.html     0.46 kB",
    "dist/assets/app.js  143.20 kB",
    "built in 1.87s",
)

WORDS = {
    "english": Words(
        "Account settings",
        (
            "Overview", "Projects", "Team members", "Billing", "API keys", "Notifications",
            "Monthly active users", "Uptime", "Revenue", "Jane Cooper", "Save changes", "Cancel",
            "Sign in with email", "Forgot password?", "Export as CSV", "Last updated 5 min ago",
        ),
        (
            "Changes to your plan take effect at the start of the next billing period.",
            "You can invite up to 25 people; each of them receives an email with a link that expires after 48 hours.",
            "Deployments are rolled back automatically when the error rate exceeds 2.5% for more than ten minutes.",
            "Need help? Contact support@example.com or read the guide at https://docs.example.com/start.",
            "The quick brown fox jumps over the lazy dog, while five wizards quickly jump and box.",
            "Never share your secret key (sk_live_...) in screenshots, logs or public repositories!",
        ),
        CODE,
        SHELL,
    ),
    "european": Words(
        "Préférences générales",
        (
            "Übersicht", "Größe ändern", "Données", "Español", "Configuración", "Señal",
            "Utilisateurs", "Verfügbarkeit", "Ingresos", "François Müller", "Änderungen", "Annuler",
            "Se connecter", "¿Contraseña?", "Télécharger", "Łódź, Kraków",
        ),
        (
            "Les modifications prennent effet dès le début de la période suivante.",
            "Sie können bis zu 25 Personen einladen; jede erhält eine E-Mail mit einem Link.",
            "La página se actualiza automáticamente cuando hay cambios nuevos.",
            "Vérifiez votre adresse électronique avant de continuer, s'il vous plaît.",
            "Die Größe der Datei überschreitet die zulässige Grenze von 10 MB.",
            "El niño comió un pingüino de chocolate en el jardín de su abuela.",
        ),
        CODE,
        SHELL,
    ),
    "chinese": Words(
        "账户设置",
        (
            "概览", "项目列表", "团队成员", "账单", "密钥管理", "通知",
            "每月活跃用户", "运行时间", "收入", "王小明", "保存更改", "取消",
            "使用邮箱登录", "忘记密码", "导出文件", "五分钟前更新",
        ),
        (
            "对套餐的更改将在下一个结算周期开始时生效。",
            "您最多可以邀请二十五位成员，每位成员都会收到一封邮件。",
            "当错误率超过百分之二时，部署会自动回滚。",
            "如需帮助，请联系客服或阅读使用指南。",
            "今天天气很好，我们去公园散步吧。",
            "请勿在截图或日志中泄露您的密钥。",
        ),
        CODE,
        SHELL,
    ),
    "korean": Words(
        "계정 설정",
        (
            "개요", "프로젝트", "팀원", "결제", "키 관리", "알림",
            "월간 사용자", "가동 시간", "매출", "홍길동", "변경 저장", "취소",
            "이메일로 로그인", "비밀번호 찾기", "내보내기", "오 분 전 업데이트",
        ),
        (
            "요금제 변경은 다음 결제 기간부터 적용됩니다.",
            "안녕하세요, 오늘 날씨가 좋네요.",
            "오류율이 높으면 배포가 자동으로 취소됩니다.",
            "도움이 필요하면 고객 센터에 문의하세요.",
            "다람쥐 헌 쳇바퀴에 타고파.",
            "비밀 키를 공유하지 마세요.",
        ),
        CODE,
        SHELL,
    ),
}  # fmt: skip
