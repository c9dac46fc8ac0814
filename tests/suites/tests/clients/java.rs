//! Maven and Gradle.

use crate::client::{Client, run};

pub(crate) const CLIENTS: &[Client] = &[
    Client {
        heading: "Maven",
        project: &[("pom.xml", POM), ("settings.xml", SETTINGS)],
        before: QUICK,
        unmounted: "",
        agent: "Apache-Maven/",
        request: "GET …/com/example/private-greeting/1.0.0/private-greeting-1.0.0.jar",
        status: 200,
    },
    Client {
        heading: "Gradle",
        project: &[("build.gradle", BUILD)],
        before: QUICK,
        unmounted: "",
        agent: "Gradle/",
        request: "GET …/com/example/private-greeting/1.0.0/private-greeting-1.0.0.jar",
        status: 200,
    },
];

/// Short runs gain nothing from the best compiler.
const QUICK: &str =
    "ENV JAVA_TOOL_OPTIONS='-XX:TieredStopAtLevel=1 -XX:+UseSerialGC' GRADLE_OPTS=-Dorg.gradle.daemon=false";

/// Maven's own plugins are not on this machine, so the package is an extension of the build, which Maven gets itself,
/// and its POM is imported. The packaging `pom` has no plugins.
const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>app</artifactId>
  <version>1.0.0</version>
  <packaging>pom</packaging>
  <repositories>
    <repository>
      <id>shared</id>
      <url>https://pkgs.dev.azure.com/contoso/_packaging/shared/maven/v1</url>
    </repository>
    <repository><id>central</id><url>file:///usr/share/maven-repo</url></repository>
  </repositories>
  <pluginRepositories>
    <pluginRepository>
      <id>shared</id>
      <url>https://pkgs.dev.azure.com/contoso/_packaging/shared/maven/v1</url>
    </pluginRepository>
    <pluginRepository><id>central</id><url>file:///usr/share/maven-repo</url></pluginRepository>
  </pluginRepositories>
  <dependencyManagement>
    <dependencies>
      <dependency>
        <groupId>com.example</groupId>
        <artifactId>private-greeting</artifactId>
        <version>1.0.0</version>
        <type>pom</type>
        <scope>import</scope>
      </dependency>
    </dependencies>
  </dependencyManagement>
  <build>
    <extensions>
      <extension>
        <groupId>com.example</groupId>
        <artifactId>private-greeting</artifactId>
        <version>1.0.0</version>
      </extension>
    </extensions>
  </build>
</project>
"#;

const SETTINGS: &str = r"<settings>
  <servers>
    <server>
      <id>shared</id>
      <username>build</username>
      <password>${env.FEED_TOKEN}</password>
    </server>
  </servers>
</settings>
";

/// Resolves the package, with the properties where they are given.
const BUILD: &str = r"repositories {
    maven {
        url 'https://pkgs.dev.azure.com/contoso/_packaging/shared/maven/v1'
        if (project.hasProperty('sharedPassword')) {
            credentials {
                username = sharedUsername
                password = sharedPassword
            }
        }
    }
}
configurations { feed }
dependencies { feed 'com.example:private-greeting:1.0.0' }
task build { doLast { configurations.feed.each { println it } } }
";

#[test]
fn maven_and_gradle_resolve_and_fail_without_mounts() {
    run(CLIENTS);
}
