//! What can be asked, and by which path.

use mycnet_consensus::MemberName;

use crate::Subjects;

/// A question to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Who the members are.
    Members,
    /// With which keys the links of a member are signed here.
    Keys {
        /// The member.
        member: MemberName,
    },
    /// Which results a member gave for a package.
    Packages {
        /// The member.
        member: MemberName,
        /// The package.
        package: Package,
    },
    /// The link for one result of a member.
    Attestation {
        /// The member.
        member: MemberName,
        /// The `build_id` of a record.
        build: u64,
        /// The `artifact_id` of that record.
        artifact: u64,
    },
    /// Who gave this result for what.
    Sha256([u8; 32]),
}

/// A package, as `apt` or `pacman` knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
}

/// A path that asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoQuestion {
    /// Nothing is there.
    #[error(
        "nothing is here: / lists the members, /sha256/HEX looks a hash up, /MEMBER/ is a member as a rebuilder"
    )]
    NotFound,
    /// A parameter is missing or empty.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// A parameter that stands twice.
    #[error("the parameter {0} stands twice")]
    Twice(&'static str),
    /// No SHA-256.
    #[error("after /sha256/ come the 64 hexadecimal digits of a SHA-256")]
    NotAHash,
    /// No number.
    #[error("builds and artifacts are named by numbers, as in the records of packages/binary")]
    NotANumber,
}

impl Question {
    /// Reads the path and the parameters of an address.
    ///
    /// # Errors
    ///
    /// [`NoQuestion`].
    pub fn read(path: &str, query: &str) -> Result<Self, NoQuestion> {
        let path = path.strip_prefix('/').ok_or(NoQuestion::NotFound)?;
        // A slash at the end changes nothing.
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(Self::Members);
        }
        let parts: Vec<&str> = path.split('/').collect();
        if let ["sha256", digits] = parts[..] {
            let mut hash = [0; 32];
            let read = hex::decode_to_slice(digits, &mut hash);
            return read.map_or(Err(NoQuestion::NotAHash), |()| Ok(Self::Sha256(hash)));
        }
        let [member, "api", "v1", asked @ ..] = &parts[..] else {
            return Err(NoQuestion::NotFound);
        };
        let member = MemberName::new(*member).map_err(|_| NoQuestion::NotFound)?;
        match asked {
            ["meta", "public-keys"] => Ok(Self::Keys { member }),
            ["packages", "binary"] => {
                let package = Package::read(query)?;
                Ok(Self::Packages { member, package })
            }
            ["builds", build, "artifacts", artifact, "attestation"] => Ok(Self::Attestation {
                member,
                build: number(build)?,
                artifact: number(artifact)?,
            }),
            _ => Err(NoQuestion::NotFound),
        }
    }
}

fn number(digits: &str) -> Result<u64, NoQuestion> {
    // `parse` would take a plus sign.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_number);
    number.ok_or(NoQuestion::NotANumber)
}

impl Package {
    fn read(query: &str) -> Result<Self, NoQuestion> {
        let parameter = |name| {
            let all = form_urlencoded::parse(query.as_bytes());
            let mut values = all.filter(|(key, _)| key == name).map(|(_, value)| value);
            let value = values.next().filter(|value| !value.is_empty());
            let value = value.ok_or(NoQuestion::Missing(name))?;
            match values.next() {
                None => Ok(value.into_owned()),
                Some(_) => Err(NoQuestion::Twice(name)),
            }
        };
        Ok(Self {
            name: parameter("name")?,
            version: parameter("version")?,
            architecture: parameter("architecture")?,
        })
    }

    /// The subjects that it can have: that of a package of Debian, and that of one of Arch Linux.
    pub fn subjects(&self, subjects: &Subjects) -> Vec<String> {
        let Self {
            name,
            version,
            architecture,
        } = self;
        let deb = subjects.of_deb(name, version, architecture);
        let alpm = subjects.of(&format!("{name}-{version}-{architecture}.pkg.tar.zst"));
        // What is no package's file is taken as any other file's name, and a path is never meant here.
        let is_package = |subject: &String| subject.starts_with("pkg:");
        [deb, alpm]
            .into_iter()
            .flatten()
            .filter(is_package)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> MemberName {
        MemberName::new("ada").unwrap()
    }

    #[test]
    fn paths_are_questions() {
        let package = Package {
            name: "librust-as-slice-dev".to_owned(),
            version: "0.2.1-1+b2".to_owned(),
            architecture: "amd64".to_owned(),
        };
        let binary = "/ada/api/v1/packages/binary";
        let query = "name=librust-as-slice-dev&version=0.2.1-1%2Bb2&architecture=amd64";
        let (member, hash) = (ada(), "0b".repeat(32));
        let by_hash = format!("/sha256/{hash}");
        for (desc, path, query, question) in [
            ("the root", "/", "", Question::Members),
            (
                "keys",
                "/ada/api/v1/meta/public-keys",
                "",
                Question::Keys { member: ada() },
            ),
            (
                "a package, as repro-threshold asks",
                binary,
                query,
                Question::Packages {
                    member: ada(),
                    package,
                },
            ),
            (
                "a link, with a slash at the end",
                "/ada/api/v1/builds/65537/artifacts/511/attestation/",
                "",
                Question::Attestation {
                    member,
                    build: 65537,
                    artifact: 511,
                },
            ),
            ("a hash", &*by_hash, "", Question::Sha256([0x0b; 32])),
        ] {
            assert_eq!(Question::read(path, query), Ok(question), "{desc}");
        }
    }

    #[test]
    fn other_paths_are_refused_each_with_its_error() {
        let binary = "/ada/api/v1/packages/binary";
        let attestation =
            |build: &str| format!("/ada/api/v1/builds/{build}/artifacts/1/attestation");
        let (large, signed) = (attestation(&"9".repeat(30)), attestation("+1"));
        for (desc, path, query, why) in [
            ("no path", "", "", NoQuestion::NotFound),
            ("no question", "/ada", "", NoQuestion::NotFound),
            (
                "another version",
                "/ada/api/v0/meta/public-keys",
                "",
                NoQuestion::NotFound,
            ),
            (
                "no name",
                "/Ada/api/v1/meta/public-keys",
                "",
                NoQuestion::NotFound,
            ),
            (
                "a way out",
                "/../api/v1/meta/public-keys",
                "",
                NoQuestion::NotFound,
            ),
            (
                "parts that are empty",
                "//api/v1/meta/public-keys",
                "",
                NoQuestion::NotFound,
            ),
            (
                "a hash that is none",
                "/sha256/0b",
                "",
                NoQuestion::NotAHash,
            ),
            (
                "a number that is too large",
                &*large,
                "",
                NoQuestion::NotANumber,
            ),
            ("a number with a sign", &*signed, "", NoQuestion::NotANumber),
            ("no parameters", binary, "", NoQuestion::Missing("name")),
            (
                "an empty one",
                binary,
                "name=zsh&version=&architecture=amd64",
                NoQuestion::Missing("version"),
            ),
            (
                "one twice",
                binary,
                "name=zsh&version=1&version=2&architecture=amd64",
                NoQuestion::Twice("version"),
            ),
        ] {
            assert_eq!(Question::read(path, query), Err(why), "{desc}");
        }
    }

    #[test]
    fn packages_have_the_subjects_that_links_have() {
        let subjects = |name: &str, version: &str, architecture: &str| {
            let package = Package {
                name: name.to_owned(),
                version: version.to_owned(),
                architecture: architecture.to_owned(),
            };
            package.subjects(&Subjects::default())
        };
        let of_debian = "pkg:deb/debian/zsh@5.9-8?arch=amd64";
        let of_arch = "pkg:alpm/arch/zsh@5.9-8?arch=amd64";
        assert_eq!(subjects("zsh", "5.9-8", "amd64"), [of_debian, of_arch]);
        // With the epoch, as apt has it.
        assert_eq!(subjects("zsh", "1:5.9-8", "amd64")[0], of_debian);
        for (name, version) in [("../zsh", "1-1"), ("zsh", "a/../b"), ("zsh\n", "1-1")] {
            assert_eq!(
                subjects(name, version, "amd64"),
                [""; 0],
                "{name} {version}"
            );
        }
    }
}
